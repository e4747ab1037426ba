//! Where programs are attached, as links and perf events tell.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use libbpf_rs::query::{LinkInfo, LinkTypeInfo, PerfEventType};

use super::Attached;
use super::query::{self, PerfEvent};

/// `BPF_F_KPROBE_MULTI_RETURN` (`include/uapi/linux/bpf.h`).
const MULTI_RETURN: u32 = 1;

/// Where a program is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a kprobe.
    Kprobe {
        /// The function, where the kernel tells the name.
        function: Option<String>,
        /// The address, where it tells that.
        address: Option<u64>,
        /// Bytes from the function's start.
        offset: u64,
        /// Where it returns.
        returns: bool,
    },
    /// At many functions' kprobes.
    Kprobes {
        /// Their addresses; none where the kernel does not tell (before 6.6).
        addresses: Vec<u64>,
        /// Where they return.
        returns: bool,
    },
    /// Behind a trampoline in a function, or as what the attach type says.
    Trampoline {
        /// `trace_fentry`, `trace_fexit`, `lsm_mac`.
        how: String,
        /// The types that have the function, and its number there; `None`: the
        /// kernel does not tell (before 5.13).
        function: Option<(u32, u32)>,
    },
    /// At a tracepoint of tracefs, by the event's name.
    Tracepoint(String),
    /// At a tracepoint, which gives its arguments as they are.
    RawTracepoint(String),
    /// At a place in a program's file.
    Uprobe {
        /// The file, if it is told.
        file: Option<String>,
        /// Bytes from the file's start.
        offsets: Vec<u64>,
        /// Where it returns.
        returns: bool,
    },
    /// Elsewhere, in words.
    Other(String),
}

/// All links.
pub(super) fn read(all: &mut Attached) -> io::Result<()> {
    let mut found = Vec::new();
    let mut untold = 0;
    query::objects(
        libbpf_sys::bpf_link_get_next_id,
        libbpf_sys::bpf_link_get_fd_by_id,
        |_, object| match object.ok().and_then(|object| LinkInfo::from_fd(object.as_fd()).ok()) {
            Some(info) => found.push(info),
            None => untold += 1,
        },
    )?;
    all.untold += untold;
    for info in found {
        if let Some(place) = place(&info) {
            all.attach(info.prog_id, place);
        }
    }
    let types = &mut all.types;
    query::objects(
        libbpf_sys::bpf_btf_get_next_id,
        libbpf_sys::bpf_btf_get_fd_by_id,
        |id, object| {
            let name = object.ok().and_then(|object: OwnedFd| query::types_name(&object));
            types.extend(name.map(|name| (id, name)));
        },
    )
}

/// Where a link attaches its program; that of a perf event may not
/// tell (before 6.6), but the event itself does.
fn place(info: &LinkInfo) -> Option<Place> {
    let text = |name: &Option<std::ffi::OsString>| {
        name.as_ref().map(|name| name.to_string_lossy().into_owned())
    };
    let some = |number: u64| Some(number).filter(|number| *number != 0);
    Some(match &info.info {
        LinkTypeInfo::KprobeMulti(multi) => Place::Kprobes {
            addresses: multi.addrs.iter().copied().filter(|address| *address != 0).collect(),
            returns: multi.flags & MULTI_RETURN != 0,
        },
        LinkTypeInfo::UprobeMulti(multi) => Place::Uprobe {
            file: multi.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            offsets: multi.offsets.clone(),
            returns: multi.flags & MULTI_RETURN != 0,
        },
        LinkTypeInfo::Tracing(tracing) => {
            // SAFETY: libbpf returns null or a constant string.
            let how = unsafe {
                query::constant(libbpf_sys::libbpf_bpf_attach_type_str(
                    tracing.attach_type.clone() as u32
                ))
            };
            let (types, id) = (tracing.target_obj_id, tracing.target_btf_id);
            Place::Trampoline {
                how: how.unwrap_or_else(|| "tracing".into()),
                function: (types != 0 && id != 0).then_some((types, id)),
            }
        }
        LinkTypeInfo::RawTracepoint(raw) => Place::RawTracepoint(raw.name.clone()),
        LinkTypeInfo::PerfEvent(event) => match &event.event_type {
            PerfEventType::Tracepoint { name, .. } => Place::Tracepoint(text(name)?),
            PerfEventType::Kprobe { func_name, is_retprobe, addr, offset, .. } => Place::Kprobe {
                function: text(func_name).filter(|name| !name.is_empty()),
                address: some(*addr),
                offset: u64::from(*offset),
                returns: *is_retprobe,
            },
            PerfEventType::Uprobe { file_name, is_retprobe, offset, .. } => Place::Uprobe {
                file: text(file_name),
                offsets: vec![u64::from(*offset)],
                returns: *is_retprobe,
            },
            PerfEventType::Event { config, event_type, .. } => {
                Place::Other(format!("perf event of type {event_type}, config {config:#x}"))
            }
            PerfEventType::Unknown(_) => return None,
        },
        LinkTypeInfo::Cgroup(cgroup) => Place::Other(format!("cgroup {}", cgroup.cgroup_id)),
        LinkTypeInfo::NetNs(netns) => Place::Other(format!("network namespace {}", netns.ino)),
        LinkTypeInfo::Xdp(xdp) => Place::Other(format!("xdp of interface {}", xdp.ifindex)),
        LinkTypeInfo::Tcx(tcx) => Place::Other(format!("tcx of interface {}", tcx.ifindex)),
        LinkTypeInfo::Netkit(netkit) => {
            Place::Other(format!("netkit interface {}", netkit.ifindex))
        }
        LinkTypeInfo::Netfilter(hook) => Place::Other(format!(
            "netfilter: family {}, hook {}, priority {}",
            hook.protocol_family, hook.hooknum, hook.priority
        )),
        LinkTypeInfo::Iter(iter) => {
            Place::Other(format!("iterator {}", iter.target_name.to_string_lossy()))
        }
        LinkTypeInfo::StructOps(_) => Place::Other("struct_ops".into()),
        LinkTypeInfo::SockMap(map) => Place::Other(format!("sockmap {}", map.map_id)),
        LinkTypeInfo::Unknown => Place::Other(format!("link {}", info.id)),
    })
}

impl PerfEvent {
    /// Where it is.
    pub(super) fn place(&self) -> Option<Place> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let returns = matches!(
            self.kind,
            libbpf_sys::BPF_FD_TYPE_KRETPROBE | libbpf_sys::BPF_FD_TYPE_URETPROBE
        );
        Some(match self.kind {
            libbpf_sys::BPF_FD_TYPE_KPROBE | libbpf_sys::BPF_FD_TYPE_KRETPROBE => Place::Kprobe {
                function: some(&self.name),
                address: Some(self.address).filter(|address| *address != 0),
                offset: self.offset,
                returns,
            },
            libbpf_sys::BPF_FD_TYPE_UPROBE | libbpf_sys::BPF_FD_TYPE_URETPROBE => {
                Place::Uprobe { file: some(&self.name), offsets: vec![self.offset], returns }
            }
            libbpf_sys::BPF_FD_TYPE_TRACEPOINT => Place::Tracepoint(some(&self.name)?),
            libbpf_sys::BPF_FD_TYPE_RAW_TRACEPOINT => Place::RawTracepoint(some(&self.name)?),
            _ => return None,
        })
    }
}
