//! System calls that no library wraps: kprobes at an offset inside a function, a
//! device brought up, a frame sent.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use libbpf_rs::{AsRawLibbpf, Link, ProgramMut};

use crate::CollectError;

/// `LOOPBACK_IFINDEX` (`include/net/flow.h`): the same in all namespaces.
const LOOPBACK_INDEX: i32 = 1;

/// Attaches a kprobe program at `function+offset` (bytes). The probe is a perf
/// event of this process: it is gone when the process is, however it ends.
pub fn attach_kprobe(
    program: &ProgramMut<'_>,
    function: &str,
    offset: u64,
) -> Result<Link, CollectError> {
    let place = || {
        if offset == 0 { function.to_string() } else { format!("{function}+{offset:#x}") }
    };
    let failed = |reason: String| CollectError::Attach { place: place(), reason };
    let name = CString::new(function).map_err(|e| failed(e.to_string()))?;
    kprobe(program, Some(&name), offset, false).map_err(|e| failed(e.to_string()))
}

/// Attaches a kprobe program where a function returns.
pub fn attach_kretprobe(program: &ProgramMut<'_>, function: &str) -> Result<Link, CollectError> {
    let failed = |reason: String| CollectError::Attach {
        place: format!("the return of {function}"),
        reason,
    };
    let name = CString::new(function).map_err(|e| failed(e.to_string()))?;
    kprobe(program, Some(&name), 0, true).map_err(|e| failed(e.to_string()))
}

/// The same at an address, which the kernel need not look up.
pub fn attach_kprobe_at(program: &ProgramMut<'_>, address: u64) -> std::io::Result<Link> {
    kprobe(program, None, address, false)
}

/// Where the function that begins at an address returns.
pub fn attach_kretprobe_at(program: &ProgramMut<'_>, address: u64) -> std::io::Result<Link> {
    kprobe(program, None, address, true)
}

/// Attaches a program to a tracepoint by its names in tracefs.
pub fn attach_tracepoint(
    program: &ProgramMut<'_>,
    category: &str,
    name: &str,
) -> std::io::Result<Link> {
    let (category, name) = (CString::new(category)?, CString::new(name)?);
    let raw = program.as_libbpf_object();
    // SAFETY: the program is loaded and outlives the call, the names are
    // NUL-terminated.
    let link = unsafe {
        libbpf_sys::bpf_program__attach_tracepoint(raw.as_ptr(), category.as_ptr(), name.as_ptr())
    };
    let Some(link) = NonNull::new(link) else {
        return Err(std::io::Error::last_os_error());
    };
    // SAFETY: libbpf returned a link that nobody else owns.
    Ok(unsafe { Link::from_ptr(link) })
}

/// `name` and `offset` as `struct perf_event_attr` has them: without a name the
/// offset is an address.
fn kprobe(
    program: &ProgramMut<'_>,
    name: Option<&CStr>,
    offset: u64,
    retprobe: bool,
) -> std::io::Result<Link> {
    let options = libbpf_sys::bpf_kprobe_opts {
        sz: size_of::<libbpf_sys::bpf_kprobe_opts>() as _,
        offset: offset as _,
        retprobe,
        attach_mode: libbpf_sys::PROBE_ATTACH_MODE_PERF,
        ..Default::default()
    };
    let raw = program.as_libbpf_object();
    let name = name.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the program is loaded and outlives the call, the name is
    // NUL-terminated or missing, and the options carry their own size.
    let link = unsafe { libbpf_sys::bpf_program__attach_kprobe_opts(raw.as_ptr(), name, &options) };
    let Some(link) = NonNull::new(link) else {
        return Err(std::io::Error::last_os_error());
    };
    // SAFETY: libbpf returned a link that nobody else owns.
    Ok(unsafe { Link::from_ptr(link) })
}

/// Attaches one program to many functions by their addresses, or where they
/// return (kernel 5.18, with fprobe).
pub fn attach_kprobe_multi(
    program: &ProgramMut<'_>,
    addresses: &[u64],
    returns: bool,
) -> std::io::Result<Link> {
    let options = libbpf_sys::bpf_kprobe_multi_opts {
        sz: size_of::<libbpf_sys::bpf_kprobe_multi_opts>() as _,
        addrs: addresses.as_ptr().cast(),
        cnt: addresses.len() as _,
        retprobe: returns,
        ..Default::default()
    };
    let raw = program.as_libbpf_object();
    // SAFETY: the program is loaded and outlives the call, as do the addresses,
    // whose count is given; the options carry their own size.
    let link = unsafe {
        libbpf_sys::bpf_program__attach_kprobe_multi_opts(raw.as_ptr(), std::ptr::null(), &options)
    };
    let Some(link) = NonNull::new(link) else {
        return Err(std::io::Error::last_os_error());
    };
    // SAFETY: libbpf returned a link that nobody else owns.
    Ok(unsafe { Link::from_ptr(link) })
}

/// Brings the loopback device of the calling thread's network namespace up.
pub fn loopback_up() -> std::io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: an all-zero ifreq is a valid value of this plain C struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = (*from).cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Sends a whole Ethernet frame to the loopback device of the calling thread's
/// network namespace, where it arrives.
pub fn send_to_loopback(frame: &[u8]) -> std::io::Result<()> {
    // protocol 0: the socket itself gets nothing
    // SAFETY: no pointers are passed.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: an all-zero sockaddr_ll is a valid value of this plain C struct.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_ifindex = LOOPBACK_INDEX;
    // SAFETY: the kernel reads the frame and one address, of the sizes given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const to).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if sent < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// How often the kernel had no room to remember a return, or left out a probe's
/// handler; 0 where it does not count (before 6.7).
pub fn probe_misses(link: &Link) -> u64 {
    let mut info = libbpf_sys::bpf_link_info::default();
    let mut size = size_of::<libbpf_sys::bpf_link_info>() as u32;
    // SAFETY: the kernel writes at most `size` bytes into `info`.
    let result = unsafe {
        libbpf_sys::bpf_obj_get_info_by_fd(
            link.as_fd().as_raw_fd(),
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    if result != 0 {
        return 0;
    }
    // SAFETY: plain numbers, all zero unless the kernel wrote them; which of
    // them it wrote is told by the types.
    unsafe {
        match info.type_ {
            libbpf_sys::BPF_LINK_TYPE_KPROBE_MULTI => info.__bindgen_anon_1.kprobe_multi.missed,
            libbpf_sys::BPF_LINK_TYPE_PERF_EVENT => {
                let event = info.__bindgen_anon_1.perf_event;
                match event.type_ {
                    libbpf_sys::BPF_PERF_EVENT_KPROBE | libbpf_sys::BPF_PERF_EVENT_KRETPROBE => {
                        event.__bindgen_anon_1.kprobe.missed
                    }
                    _ => 0,
                }
            }
            _ => 0,
        }
    }
}

/// How often the kernel did not run a program because it was already running
/// on that CPU; 0 where the kernel does not count (before 5.12).
pub fn recursion_misses(program: &libbpf_rs::Program<'_>) -> u64 {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: the kernel writes at most `size` bytes into `info`.
    let result = unsafe {
        libbpf_sys::bpf_obj_get_info_by_fd(
            program.as_fd().as_raw_fd(),
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    if result == 0 { info.recursion_misses } else { 0 }
}
