//! Loads and attaches the programs, and reads what they send.

use std::time::Duration;

use libbpf_rs::{Link, Object, ProgramMut};
use nfscope_event::Backend;
use nfscope_kernel::btf::Btf;

use super::config::Config;
use super::own_packets::OwnPackets;
use super::tables::TableProbes;
use super::{Functions, TraceRecord, TraceSetup};
use crate::memory::MapMemory;
use crate::nft::Scratch;
use crate::object::Compiled;
use crate::records::Records;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("trace");
/// The ring of the self-test, in bytes.
pub(super) const TRIAL_RING: u32 = 1 << 16;
/// Number of the word `trial` among the counters (`struct losses`).
const TRIAL: usize = 5;
/// Bytes of a line of the table of packets up to `batch` (`struct tracked`),
/// which only rules that do not match need.
const TRACKED: u32 = 72;
/// Lines of that table, when they are long.
const LONG_LINES: u32 = 2048;

/// Which packets, and what of them.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// pcap filter expression, compiled.
    pub filter: Option<nfscope_filter::Compiled>,
    /// Only packets that enter a chain or table in this namespace (inode).
    pub netns: Option<u32>,
    /// Only packets that this process sends.
    pub pid: Option<u32>,
    /// Only packets with this device at a hook, in or out.
    pub device: Option<String>,
    /// Tell the rules that do not match; `true`: with nftables' registers.
    pub misses: Option<bool>,
    /// A packet once selected stays selected, its copies too.
    pub follow: bool,
    /// Whether `skb:kfree_skb` has a reason argument.
    pub has_reason: bool,
    /// Whether `skb:consume_skb` has a location argument.
    pub has_place: bool,
    /// Bytes of each packet to record, from the network header on.
    pub snap_bytes: u32,
    /// Size of the ring buffer in bytes, a power of two and of pages.
    pub ring_bytes: u32,
    /// Kernel functions to tell.
    pub functions: Functions,
}

/// How many records were lost, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceLosses {
    /// The ring buffer was full.
    pub ring: u64,
    /// Too deeply nested on one CPU, or skipped by the kernel because the
    /// program was already running there.
    pub nested: u64,
    /// Whole packets: more were selected at a time than the table holds.
    pub packets: u64,
    /// Decisions of a traversal whose entry was not seen.
    pub entries: u64,
    /// Overruns of the kernel's netlink socket.
    pub netlink: u64,
}

/// Running programs.
pub struct TraceCollector {
    // fields are dropped in order: first no more records, then the maps
    links: Vec<Link>,
    pub(super) tables: Vec<TableProbes>,
    /// What the kernel skipped of table probes that are gone.
    pub(super) skipped_before: u64,
    records: Records<TraceRecord>,
    counters: MapMemory,
    /// Losses of the trial.
    before: TraceLosses,
    pub(super) object: Object,
    pub(super) options: TraceOptions,
    pub(super) setup: TraceSetup,
    pub(super) context_known: bool,
    /// A trial has shown that the programs that tell fates see everything.
    pub(super) fates_tried: bool,
    refused: usize,
    pub(super) own: OwnPackets,
}

impl TraceCollector {
    /// Attaches the programs and tries them on known packets in `scratch`. They
    /// select no others until [`Self::begin`].
    pub fn start(
        options: &TraceOptions,
        setup: &TraceSetup,
        scratch: &Scratch,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let mut running = Self::start_untried(options, setup, scratch, btf)?;
        running.try_out(scratch)?;
        running.fates_tried = true;
        Ok(running)
    }

    /// The same without a trial: nothing is known of what they tell.
    pub fn start_untried(
        options: &TraceOptions,
        setup: &TraceSetup,
        scratch: &Scratch,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let mut running = Self::attached(options, setup, scratch.inode(), btf)?;
        running.own.expect(scratch.inode());
        Ok(running)
    }

    /// The trials are over: selects the packets that were asked for.
    pub fn begin(&mut self) -> Result<(), CollectError> {
        self.poll(Duration::ZERO)?;
        self.before = self.losses()?;
        self.counters.store(TRIAL, 0);
        let (functions, refused) = self.options.functions.attach(&self.object)?;
        self.links.extend(functions);
        self.refused = refused;
        Ok(())
    }

    /// Whether no packets but those of trials are selected so far.
    pub(super) fn on_trial(&self) -> bool {
        self.counters.words().get(TRIAL).is_some_and(|netns| *netns != 0)
    }

    /// All programs but those of functions. `trial`: select only what is in this
    /// namespace (inode); 0: what was asked for.
    pub(super) fn attached(
        options: &TraceOptions,
        setup: &TraceSetup,
        trial: u32,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        // kernels that do not list variables among their symbols do not let
        // the preemption count be read
        match Self::run(options, setup, true, trial, btf) {
            Err(CollectError::Load { .. }) => {
                let started = Self::run(options, setup, false, trial, btf)?;
                if options.pid.is_some() {
                    let reason = "whose packets are which cannot be told: the kernel does not \
                        list its preemption count among its symbols"
                        .into();
                    return Err(CollectError::Backend { backend: setup.backend.as_str(), reason });
                }
                Ok(started)
            }
            other => other,
        }
    }

    fn run(
        options: &TraceOptions,
        setup: &TraceSetup,
        context_known: bool,
        trial: u32,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let object = load(options, setup, context_known, btf)?;
        let counters = object::memory(&object, ".bss")?;
        counters.store(TRIAL, trial.into());
        let links = attach(&object, setup)?;
        let records = Records::of(&object, TraceRecord::parse)?;
        Ok(Self {
            links,
            tables: Vec::new(),
            skipped_before: 0,
            records,
            counters,
            object,
            options: options.clone(),
            setup: setup.clone(),
            context_known,
            fates_tried: false,
            refused: 0,
            before: TraceLosses::default(),
            own: OwnPackets::default(),
        })
    }

    /// How many of the functions to be told the kernel lets nobody probe.
    pub fn refused_functions(&self) -> usize {
        self.refused
    }

    /// Which backend tells the rules.
    pub fn backend(&self) -> Backend {
        self.setup.backend
    }

    /// Waits up to `timeout` for records and returns them in the order in
    /// which the kernel made them.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<TraceRecord>, CollectError> {
        let mut records = self.poll_all(timeout)?;
        self.own.leave_out(&mut records);
        Ok(records)
    }

    /// The same with the trial's own.
    pub(super) fn poll_all(&mut self, timeout: Duration) -> Result<Vec<TraceRecord>, CollectError> {
        self.records.poll(timeout)
    }

    /// What was lost so far.
    pub fn losses(&self) -> Result<TraceLosses, CollectError> {
        let words = self.counters.words();
        let [_active, ring, nested, packets, entries, ..] = words[..] else {
            return Err(CollectError::load("the loss counters are not there"));
        };
        let skipped: u64 = self.object.progs().map(|p| raw::recursion_misses(&p)).sum();
        let of_tables: u64 = self.tables.iter().map(TableProbes::skipped).sum();
        let nested = nested + skipped + of_tables + self.skipped_before;
        Ok(TraceLosses {
            ring: ring - self.before.ring,
            nested: nested - self.before.nested,
            packets: packets - self.before.packets,
            entries: entries - self.before.entries,
            netlink: 0,
        })
    }
}

impl TraceOptions {
    /// For a trial in a namespace of our own.
    pub(super) fn trial(&self, scratch: &Scratch) -> Self {
        Self {
            filter: None,
            netns: Some(scratch.inode()),
            pid: None,
            device: None,
            ring_bytes: TRIAL_RING,
            functions: Functions::default(),
            ..self.clone()
        }
    }

    /// `struct config`
    pub(super) fn config(&self, setup: &TraceSetup, context_known: bool) -> Vec<u8> {
        let filter = self.filter.as_ref();
        let config = Config {
            only_device: self.device.as_deref().map(object::device_name),
            nft: setup.nft,
            trace: setup.trace,
            points: setup.points.clone(),
            misses: self.misses,
            only_netns: self.netns,
            only_pid: self.pid,
            filter: filter.map(|f| (f.bytes_needed, f.needs_link, f.wants_vlan_tag)),
            snap_bytes: self.snap_bytes,
            follow: self.follow,
            has_reason: self.has_reason,
            has_place: self.has_place,
            context_known,
            wake_bytes: self.ring_bytes / 4,
        };
        config.bytes()
    }
}

fn load(
    options: &TraceOptions,
    setup: &TraceSetup,
    context_known: bool,
    btf: &Btf,
) -> Result<Object, CollectError> {
    let compiled = OBJECT.with_variables(context_known);
    let mut open = object::open_filtered(compiled, options.filter.as_ref(), btf)?;
    object::set_rodata(&mut open, &options.config(setup, context_known))?;
    for mut map in open.maps_mut() {
        if map.name() == "ring" {
            map.set_max_entries(options.ring_bytes).map_err(CollectError::load)?;
        } else if map.name() == "packets" {
            match options.misses {
                Some(_) => map.set_max_entries(LONG_LINES).map_err(CollectError::load)?,
                None => map.set_value_size(TRACKED).map_err(CollectError::load)?,
            }
        }
    }
    for (program, function) in &setup.fentries {
        for mut p in open.progs_mut().filter(|p| p.name() == *program) {
            p.set_attach_target(0, Some(function.to_string())).map_err(CollectError::load)?;
        }
    }
    object::load(open, &[setup.programs(), options.functions.programs()].concat())
}

fn attach(object: &Object, setup: &TraceSetup) -> Result<Vec<Link>, CollectError> {
    let mut links = Vec::new();
    let failed = |program: &str, e: libbpf_rs::Error| CollectError::Attach {
        place: program.trim_start_matches("on_").into(),
        reason: e.to_string(),
    };
    // those that select packets come last: a packet must not be selected that
    // nobody sees freed
    for program in &setup.probed {
        let attach = |p: &ProgramMut<'_>| p.attach().map_err(|e| failed(program, e));
        links.push(object::with_program(object, program, attach)?);
    }
    let fentries = setup.fentries.iter().map(|(program, _)| *program);
    for program in setup.traced.iter().copied().chain(fentries) {
        let attach = |p: &ProgramMut<'_>| p.attach_trace().map_err(|e| failed(program, e));
        links.push(object::with_program(object, program, attach)?);
    }
    for (program, function, offset) in &setup.kprobes {
        links.push(object::with_program(object, program, |p| {
            raw::attach_kprobe(p, function, *offset)
        })?);
    }
    Ok(links)
}
