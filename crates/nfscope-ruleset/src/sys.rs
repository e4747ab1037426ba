//! System calls that the standard library has no words for.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits until one of `fds` can be read or has ended, at most `timeout`
/// (none: forever). Says which.
pub(crate) fn poll(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut polled: Vec<_> = fds
        .iter()
        .map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    loop {
        let limit = deadline.map_or(-1, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            let milliseconds = left.as_nanos().div_ceil(1_000_000);
            libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX)
        });
        // SAFETY: the pointer and the count are of one vector.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, limit) };
        if ready >= 0 {
            return Ok(polled.iter().map(|fd| fd.revents != 0).collect());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The monotonic clock in nanoseconds, as `bpf_ktime_get_ns` counts.
pub fn monotonic_ns() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the result has room for a timespec, and stays zero if the call
    // fails, which this clock never does.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The interfaces of the calling thread's network namespace, by index; none
/// if they cannot be listed.
pub(crate) fn interfaces() -> Vec<(u32, String)> {
    // SAFETY: there are no arguments.
    let first = unsafe { libc::if_nameindex() };
    if first.is_null() {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut next = first;
    loop {
        // SAFETY: the list's end is an entry without a name, and it was not
        // passed yet.
        let entry = unsafe { &*next };
        if entry.if_name.is_null() {
            break;
        }
        // SAFETY: the name is a string that ends, and lives as the list does.
        let name = unsafe { CStr::from_ptr(entry.if_name) };
        all.push((entry.if_index, name.to_string_lossy().into_owned()));
        // SAFETY: behind an entry with a name there is another.
        next = unsafe { next.add(1) };
    }
    // SAFETY: the list is as it was given, and no longer used.
    unsafe { libc::if_freenameindex(first) };
    all
}

/// Seconds that local time is ahead of UTC now.
pub(crate) fn utc_offset() -> i64 {
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid; the result stays zero if it fails.
    let local = unsafe {
        let now = libc::time(std::ptr::null_mut());
        libc::localtime_r(&raw const now, local.as_mut_ptr());
        local.assume_init()
    };
    local.tm_gmtoff
}

/// Has the kernel kill the program when the thread that starts it ends,
/// however it ends.
pub(crate) fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only prctl is called, which is
    // async-signal-safe and touches no memory.
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}
