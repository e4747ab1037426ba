//! Loads and attaches the programs, and reads what they send.

use std::time::Duration;

use libbpf_rs::{Link, Object, ProgramInput, ProgramMut};
use nfscope_kernel::btf::Btf;

use super::ChangeRecord;
use crate::memory::MapMemory;
use crate::object::Compiled;
use crate::records::Records;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("firewall");

/// A program, the function it is for, whether at its return, whether only for
/// those who want to see what is read.
const PROBES: [(&str, &str, bool, bool); 8] = [
    // returns first: a request whose end is not seen stays open
    ("at_netlink_return", "netlink_unicast", true, false),
    ("at_netlink", "netlink_unicast", false, false),
    ("at_call_return", "nf_setsockopt", true, false),
    ("at_setsockopt", "nf_setsockopt", false, false),
    ("at_call_return", "proc_sys_write", true, false),
    ("at_sysctl", "proc_sys_write", false, false),
    ("at_call_return", "nf_getsockopt", true, true),
    ("at_getsockopt", "nf_getsockopt", false, true),
];

/// The program that learns which process this is.
const OWN: &str = "at_start";

/// How many records were lost, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeLosses {
    /// The ring buffer was full.
    pub ring: u64,
    /// The kernel skipped a program, or had no room to remember a return.
    pub nested: u64,
}

/// Running programs.
pub struct ChangeCollector {
    // fields are dropped in order: first no more records, then the maps
    links: Vec<Link>,
    records: Records<ChangeRecord>,
    _object: Object,
    counters: MapMemory,
    refused: Vec<&'static str>,
}

impl ChangeCollector {
    /// Loads and attaches the programs; `reads`: tell what reads firewalls, too.
    pub fn start(reads: bool, btf: &Btf) -> Result<Self, CollectError> {
        let mut open = object::open(OBJECT, Some(btf))?;
        object::set_rodata(&mut open, &u32::from(reads).to_ne_bytes())?;
        let probes = || PROBES.iter().filter(|(.., for_reads)| reads || !for_reads);
        let programs: Vec<&str> = probes().map(|(program, ..)| *program).chain([OWN]).collect();
        let object = object::load(open, &programs)?;
        let run = |p: &ProgramMut<'_>| {
            p.test_run(ProgramInput::default()).map_err(CollectError::load).map(|_| ())
        };
        // where the kernel refuses, it is not known, which `knows_itself` says
        let _ = object::with_program(&object, OWN, run);
        let (mut links, mut refused) = (Vec::new(), Vec::new());
        let mut failed = None;
        for (program, function, at_return, _) in probes() {
            let attached = object::with_program(&object, program, |p| match at_return {
                true => raw::attach_kretprobe(p, function),
                false => raw::attach_kprobe(p, function, 0),
            });
            match attached {
                Ok(link) => links.push(link),
                Err(error) => {
                    refused.push(*function);
                    failed = Some(error);
                }
            }
        }
        if let Some(error) = failed.filter(|_| links.is_empty()) {
            return Err(error);
        }
        refused.dedup();
        let records = Records::of(&object, ChangeRecord::parse)?;
        let counters = object::memory(&object, ".bss")?;
        Ok(Self { links, records, _object: object, counters, refused })
    }

    /// Functions that the kernel lets nobody probe.
    pub fn refused(&self) -> &[&'static str] {
        &self.refused
    }

    /// Whether what this program itself does, and the programs that it runs, is left out.
    pub fn knows_itself(&self) -> bool {
        self.counters.words().get(1).is_some_and(|own| *own != 0)
    }

    /// Waits up to `timeout` for records and returns them in the order in
    /// which the kernel made them.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<ChangeRecord>, CollectError> {
        self.records.poll(timeout)
    }

    /// What was lost so far.
    pub fn losses(&self) -> ChangeLosses {
        let ring = self.counters.words().first().copied().unwrap_or(0);
        ChangeLosses { ring, nested: self.links.iter().map(raw::probe_misses).sum() }
    }
}
