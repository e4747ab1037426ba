//! Which processes hold programs, links and perf events.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use libbpf_rs::query::LinkInfo;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::{Attached, Holder, query};

/// What a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Program,
    Link,
    PerfEvent,
}

impl Kind {
    /// By what `/proc/PID/fd/N` points to.
    fn of(target: &Path) -> Option<Self> {
        match target.to_str()?.strip_prefix("anon_inode:")? {
            "bpf-prog" => Some(Self::Program),
            "bpf_link" | "bpf-link" | "bpf-raw-tracepoint" | "bpf-tracing-prog" => Some(Self::Link),
            "[perf_event]" => Some(Self::PerfEvent),
            _ => None,
        }
    }
}

/// Looks through all processes.
pub(super) fn read(all: &mut Attached) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid {
            process(all, pid, &entry.path());
        }
    }
}

fn process(all: &mut Attached, pid: u32, folder: &Path) {
    let descriptors = match fs::read_dir(folder.join("fd")) {
        Ok(descriptors) => descriptors,
        Err(error) => {
            // It may have ended meanwhile.
            all.unseen += usize::from(error.kind() == std::io::ErrorKind::PermissionDenied);
            return;
        }
    };
    let mut holder = None;
    for descriptor in descriptors.flatten() {
        let Some(kind) = fs::read_link(descriptor.path()).ok().and_then(|to| Kind::of(&to)) else {
            continue;
        };
        let number = descriptor.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number else { continue };
        let program = match kind {
            Kind::Program => program(folder, number),
            Kind::Link => link(pid, number),
            Kind::PerfEvent => query::perf_event(pid, number).map(|event| {
                event.place().into_iter().for_each(|place| all.attach(event.program, place));
                event.program
            }),
        };
        if let Some(program) = program.and_then(|id| all.programs.get_mut(&id)) {
            let holder = holder.get_or_insert_with(|| Holder { pid, command: command_of(folder) });
            program.holders.insert(holder.clone());
        }
    }
}

/// The number of a program that a process holds.
fn program(folder: &Path, descriptor: i32) -> Option<u32> {
    let text = fs::read_to_string(folder.join(format!("fdinfo/{descriptor}"))).ok()?;
    text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
}

/// The number of the program that a process's link attaches.
///
/// The descriptor is borrowed and asked, since to read its `fdinfo` makes 6.18 use a
/// null pointer where it is a kprobe-multi link without cookies
/// (`bpf_kprobe_multi_show_fdinfo`), which kills the reader.
fn link(pid: u32, descriptor: i32) -> Option<u32> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let link = pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty()).ok()?;
    LinkInfo::from_fd(link.as_fd()).ok().map(|info| info.prog_id)
}

fn command_of(process: &Path) -> String {
    let bytes = fs::read(process.join("comm")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_descriptors() {
        let of = |target: &str| Kind::of(Path::new(target));
        assert_eq!(of("anon_inode:bpf-prog"), Some(Kind::Program));
        assert_eq!(of("anon_inode:bpf_link"), Some(Kind::Link));
        assert_eq!(of("anon_inode:[perf_event]"), Some(Kind::PerfEvent));
        assert_eq!(of("anon_inode:bpf-map"), None);
        assert_eq!(of("socket:[1]"), None);
    }
}
