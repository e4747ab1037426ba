//! The binding to libpcap: five functions of `pcap/pcap.h`, called with a handle
//! that belongs to no device.

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use crate::classic::ClassicInsn;

/// `struct bpf_program` of `pcap/bpf.h`.
#[repr(C)]
struct BpfProgram {
    len: c_uint,
    insns: *mut ClassicInsn,
}

/// `pcap_t`, only ever behind a pointer.
#[repr(C)]
struct Pcap {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn pcap_open_dead(linktype: c_int, snaplen: c_int) -> *mut Pcap;
    fn pcap_close(handle: *mut Pcap);
    fn pcap_compile(
        handle: *mut Pcap,
        program: *mut BpfProgram,
        expression: *const c_char,
        optimize: c_int,
        netmask: u32,
    ) -> c_int;
    fn pcap_freecode(program: *mut BpfProgram);
    fn pcap_geterr(handle: *mut Pcap) -> *mut c_char;
}

/// `DLT_EN10MB` of `pcap/dlt.h`.
const ETHERNET: c_int = 1;
/// tcpdump's default snapshot length; what an accepting program returns.
const SNAPSHOT: c_int = 262_144;
/// `PCAP_NETMASK_UNKNOWN` of `pcap/pcap.h`.
const NETMASK_UNKNOWN: u32 = 0xffff_ffff;

/// libpcap before 1.8 keeps the compiler's state in static variables, and the
/// name lookups of some C libraries do so still.
static COMPILER: Mutex<()> = Mutex::new(());

/// What libpcap said to an expression.
pub(crate) enum Outcome {
    Program(Vec<ClassicInsn>),
    Refused(String),
    NoHandle,
}

/// Closes the handle whatever happens.
struct Handle(NonNull<Pcap>);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from pcap_open_dead and is closed only here.
        unsafe { pcap_close(self.0.as_ptr()) }
    }
}

/// Compiles `expression` for Ethernet frames, optimised, with an unknown netmask.
/// Names of hosts, networks, ports and protocols are resolved as libpcap does,
/// which may ask the system's resolver and take its time.
pub(crate) fn compile(expression: &CStr) -> Outcome {
    #[cfg(feature = "static")]
    crate::stand_ins::link();
    let _serial = COMPILER.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: plain numbers; NULL is handled below.
    let handle = unsafe { pcap_open_dead(ETHERNET, SNAPSHOT) };
    let Some(handle) = NonNull::new(handle).map(Handle) else {
        return Outcome::NoHandle;
    };
    let mut program = BpfProgram { len: 0, insns: std::ptr::null_mut() };
    // SAFETY: the handle is open, `program` is writable, the expression is a C string.
    let status = unsafe {
        pcap_compile(handle.0.as_ptr(), &mut program, expression.as_ptr(), 1, NETMASK_UNKNOWN)
    };
    if status != 0 {
        // SAFETY: pcap_geterr returns the handle's own NUL-terminated buffer.
        let message = unsafe { CStr::from_ptr(pcap_geterr(handle.0.as_ptr())) };
        return Outcome::Refused(message.to_string_lossy().into_owned());
    }
    let insns = if program.insns.is_null() {
        Vec::new()
    } else {
        // SAFETY: on success libpcap allocated `len` instructions of this layout.
        unsafe { std::slice::from_raw_parts(program.insns, program.len as usize) }.to_vec()
    };
    // SAFETY: the program came from pcap_compile and is not used after this.
    unsafe { pcap_freecode(&mut program) };
    Outcome::Program(insns)
}

/// The expression for C; libpcap would not see what follows a NUL byte.
pub(crate) fn c_string(expression: &str) -> Result<CString, usize> {
    CString::new(expression).map_err(|e| e.nul_position())
}
