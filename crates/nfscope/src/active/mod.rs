//! What is attached on this machine now: kprobes, users of ftrace, events of
//! tracefs, BPF programs; and who attached it.

mod dynamic;
mod ftrace;
mod kprobes;
mod programs;

use nfscope_collect::attached::{Attached, Holder};
use serde::Serialize;

use crate::targets::tracefs;

pub use dynamic::Event;
pub use ftrace::Traced;
pub use kprobes::Kprobe;
pub use programs::{Place, Program};

/// Where the kernel lists its kprobes (`kernel/kprobes.c`).
const KPROBES: &str = "/sys/kernel/debug/kprobes/list";
/// Whether kprobes work at all.
const ENABLED: &str = "/sys/kernel/debug/kprobes/enabled";

/// Who attached something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A process.
    Process {
        /// Its id.
        pid: u32,
        /// Its name.
        command: String,
    },
    /// A BPF program that no process holds: it is pinned, or the kernel holds it.
    Program {
        /// The kernel's number for it.
        id: u32,
        /// Its name.
        #[serde(skip_serializing_if = "String::is_empty")]
        name: String,
    },
    /// An event of tracefs, which stays until somebody removes it.
    Event {
        /// As `GROUP:NAME`.
        name: String,
    },
}

impl From<&Holder> for Owner {
    fn from(holder: &Holder) -> Self {
        Self::Process { pid: holder.pid, command: holder.command.clone() }
    }
}

/// All that is attached.
#[derive(Debug, Default)]
pub struct Active {
    /// Kprobes.
    pub kprobes: Vec<Kprobe>,
    /// Functions where ftrace calls somebody.
    pub traced: Vec<Traced>,
    /// Events that somebody made or switched on in tracefs.
    pub events: Vec<Event>,
    /// BPF programs.
    pub programs: Vec<Program>,
    /// What could not be seen.
    pub notices: Vec<String>,
}

impl Active {
    /// Looks at the machine as it is now.
    pub fn read() -> Self {
        let mut notices = Vec::new();
        let attached = Attached::read().unwrap_or_else(|error| {
            notices.push(format!(
                "BPF programs are not listed ({error}): it takes CAP_SYS_ADMIN; run it as root"
            ));
            Attached::default()
        });
        if attached.unseen > 0 {
            notices.push(format!(
                "the descriptors of {} processes cannot be seen: owners may be missing; run it as \
                 root",
                attached.unseen
            ));
        }
        if attached.untold > 0 {
            notices.push(format!(
                "of {} BPF programs and links the kernel told nothing",
                attached.untold
            ));
        }
        let mut lists = |what: &str, text: Option<String>, remedy: &str| {
            if text.is_none() {
                notices.push(format!("{what} cannot be listed: run it as root; {remedy}"));
            }
            text.unwrap_or_default()
        };
        let debugfs = "is debugfs mounted? mount -t debugfs debugfs /sys/kernel/debug";
        let mounted = "is tracefs mounted? mount -t tracefs tracefs /sys/kernel/tracing";
        let kprobes = lists("kprobes", std::fs::read_to_string(KPROBES).ok(), debugfs);
        let traced = lists("users of ftrace", tracefs::read("enabled_functions"), mounted);
        let events = Event::read();
        let events: Vec<Event> = match events {
            Some(events) => events,
            None => {
                lists("events of tracefs", None, mounted);
                Vec::new()
            }
        };
        if std::fs::read_to_string(ENABLED).is_ok_and(|text| text.trim() == "0") {
            notices.push(format!("kprobes are switched off: none works (echo 1 > {ENABLED})"));
        }
        let programs = programs::resolve(&attached, &mut notices);
        let mut active = Self {
            kprobes: kprobes.lines().filter_map(Kprobe::parse).collect(),
            traced: Traced::parse_all(&traced),
            events,
            programs,
            notices,
        };
        active.name_owners();
        active
    }

    /// Tells of each probe who may have attached it: the programs and events at
    /// the same place.
    fn name_owners(&mut self) {
        for kprobe in &mut self.kprobes {
            for program in &self.programs {
                // what is switched off runs no program
                if !kprobe.disabled() && program.places.iter().any(|place| kprobe.is_of(place)) {
                    kprobe.owners.extend(program.owners());
                }
            }
            let here = self.events.iter().filter(|event| event.is_at(kprobe));
            // One that is off in tracefs may be on for perf.
            let (on, off): (Vec<&Event>, Vec<&Event>) = here.partition(|event| event.enabled);
            let alone = kprobe.owners.is_empty() && on.is_empty();
            let these = if kprobe.disabled() || alone { off } else { on };
            kprobe.owners.extend(these.into_iter().map(Event::owner));
        }
        for traced in &mut self.traced {
            for program in &self.programs {
                let at = |place: &Place| place.is_in(&traced.function, traced.module.as_deref());
                if program.places.iter().any(at) {
                    traced.owners.extend(program.owners());
                }
            }
            let here = self.kprobes.iter().filter(|kprobe| {
                kprobe.function == traced.function
                    && kprobe.module == traced.module
                    && !kprobe.disabled()
            });
            traced.owners.extend(here.flat_map(|kprobe| kprobe.owners.iter().cloned()));
        }
    }
}
