//! What `bpf(2)` tells of programs, types and other processes' events.

use std::ffi::{CStr, c_char};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{Attached, Program};

/// Bytes for a name that the kernel writes.
const NAME: usize = 256;

/// A call `bpf_*_get_next_id` of libbpf.
type Next = unsafe extern "C" fn(u32, *mut u32) -> i32;
/// A call `bpf_*_get_fd_by_id` of libbpf.
type Open = unsafe extern "C" fn(u32) -> i32;

/// Calls `each` with every object of a kind.
///
/// # Errors
/// If the kernel does not list them.
pub(super) fn objects(
    next: Next,
    open: Open,
    mut each: impl FnMut(u32, io::Result<OwnedFd>),
) -> io::Result<()> {
    let mut id = 0;
    loop {
        let mut following = 0;
        // SAFETY: the pointer is that of a local that outlives the call.
        if unsafe { next(id, &mut following) } != 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
        }
        id = following;
        // SAFETY: the call takes a number and gives a descriptor or an error.
        let descriptor = unsafe { open(id) };
        let object = match descriptor {
            // SAFETY: the descriptor is open and nobody else owns it.
            0.. => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
            _ => Err(io::Error::last_os_error()),
        };
        // It may have gone meanwhile.
        if !matches!(&object, Err(e) if e.kind() == io::ErrorKind::NotFound) {
            each(id, object);
        }
    }
}

/// All loaded programs.
pub(super) fn programs(all: &mut Attached) -> io::Result<()> {
    objects(libbpf_sys::bpf_prog_get_next_id, libbpf_sys::bpf_prog_get_fd_by_id, |id, object| {
        match object.ok().and_then(|object| program(&object)) {
            Some(program) => _ = all.programs.insert(id, program),
            None => all.untold += 1,
        }
    })
}

fn program(object: &OwnedFd) -> Option<Program> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = u32::try_from(size_of_val(&info)).ok()?;
    // SAFETY: both pointers are those of locals, the size is that of the first.
    let told =
        unsafe { libbpf_sys::bpf_prog_get_info_by_fd(object.as_raw_fd(), &mut info, &mut size) };
    if told != 0 {
        return None;
    }
    // SAFETY: libbpf returns null or a constant string.
    let kind = unsafe { constant(libbpf_sys::libbpf_bpf_prog_type_str(info.type_)) };
    Some(Program {
        id: info.id,
        name: text(&info.name),
        kind: kind.unwrap_or_else(|| format!("type {}", info.type_)),
        uid: info.created_by_uid,
        ..Program::default()
    })
}

/// The name of a set of types.
pub(super) fn types_name(object: &OwnedFd) -> Option<String> {
    let mut name = [0 as c_char; NAME];
    let mut info = libbpf_sys::bpf_btf_info {
        name: name.as_mut_ptr() as u64,
        name_len: NAME as u32,
        ..Default::default()
    };
    let mut size = u32::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the pointers are those of locals, `name` among them, with their sizes.
    let told =
        unsafe { libbpf_sys::bpf_btf_get_info_by_fd(object.as_raw_fd(), &mut info, &mut size) };
    (told == 0).then(|| text(&name)).filter(|name| !name.is_empty())
}

/// What a process's perf event runs: the program, the kind (`BPF_FD_TYPE_*`),
/// name, offset and address of the place.
pub(super) struct PerfEvent {
    pub program: u32,
    pub kind: u32,
    pub name: String,
    pub offset: u64,
    pub address: u64,
}

/// Asks for a process's perf event; `None`: it runs no program.
pub(super) fn perf_event(pid: u32, descriptor: i32) -> Option<PerfEvent> {
    let pid = i32::try_from(pid).ok()?;
    // The path of a program's file may be long.
    let mut name = [0 as c_char; libc::PATH_MAX as usize];
    let mut length = name.len() as u32;
    let (mut program, mut kind, mut offset, mut address) = (0, 0, 0, 0);
    // SAFETY: all pointers are those of locals, the length is that of `name`.
    let told = unsafe {
        libbpf_sys::bpf_task_fd_query(
            pid,
            descriptor,
            0,
            name.as_mut_ptr(),
            &mut length,
            &mut program,
            &mut kind,
            &mut offset,
            &mut address,
        )
    };
    (told == 0).then(|| PerfEvent { program, kind, name: text(&name), offset, address })
}

/// The text up to its first NUL.
fn text(bytes: &[c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|b| *b as u8).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// # Safety
/// The pointer must be null or that of a NUL-terminated string that stays.
pub(super) unsafe fn constant(pointer: *const c_char) -> Option<String> {
    // SAFETY: as promised, where it is not null.
    let string = (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) })?;
    Some(string.to_string_lossy().into_owned())
}
