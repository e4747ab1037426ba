//! Loads and attaches the programs, and reads what they send.

mod legacy;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use libbpf_rs::{Link, Object, RingBuffer, RingBufferBuilder};
use nfscope_event::Backend;
use nfscope_kernel::btf::Btf;

use super::frame::{FrameLayout, Seen};
use super::{Config, DropOptions, DropRecord, Losses};
use crate::legacy::LegacyProbes;
use crate::memory::MapMemory;
use crate::nft::{Probe, Scratch, SelfTest, Setup, all_loaded};
use crate::object::Compiled;
use crate::preempt::Observer;
use crate::{CollectError, kernel_ids, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("drop");
/// The tracepoint's program, and its two variants: for kernels that do not
/// list the preemption count among their symbols, and for kernels that let
/// another task interrupt it (see `drop.bpf.c`).
const TRACEPOINT: &str = "on_kfree_skb";
const TRACEPOINT_BLIND: &str = "on_kfree_skb_blind";
const TRACE_EVENT: &str = "on_kfree_skb_event";
/// Records that one call hands out: with more the caller would not come to
/// look at its signals while packets keep coming.
const AT_ONCE: usize = 8_192;
/// Bytes of ring that the stacks of the trial's packets take.
const FRAME_RING: u32 = 256 << 10;

/// Running programs.
pub struct DropCollector {
    // fields are dropped in order: first no more events, then the maps
    links: Vec<Link>,
    late: Vec<Probe>,
    legacy: Vec<LegacyProbes>,
    ring: RingBuffer<'static>,
    pub(super) queue: Rc<RefCell<Vec<DropRecord>>>,
    /// The stack of the trial's packets.
    pub(super) seen: Rc<RefCell<Vec<Seen>>>,
    counters: MapMemory,
    pub(super) object: Object,
    pub(super) frame: FrameLayout,
    pub(super) scratch_netns: u32,
    pub(super) backend: Backend,
    /// Where the trial's packets were freed.
    pub(super) sites: Vec<u64>,
    /// The trial showed that other tasks can interrupt the tracepoint's program.
    pub(super) preemptible: bool,
}

impl DropCollector {
    /// Loads the programs, tries them on known packets where the backend has
    /// anything to try, and leaves them attached.
    ///
    /// `scratch` is where the trial runs; records of that namespace are never
    /// handed out. `btf`: the kernel's types.
    pub fn start(
        options: &DropOptions,
        setup: &Setup,
        scratch: Option<&Scratch>,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let tried = scratch.filter(|_| setup.trial);
        let test = match tried.map(SelfTest::prepare).transpose() {
            Err(e) if setup.backend != Backend::Tracepoint => return Err(e),
            test => test.ok().flatten(),
        };
        let inode = scratch.map_or(0, Scratch::inode);
        let trial = scratch.zip(test.as_ref());
        let started = Self::choose((options, inode), setup, trial, btf);
        if let Some(test) = test {
            test.remove();
        }
        started
    }

    /// The variant of the tracepoint's program that this kernel needs.
    fn choose(
        (options, scratch_netns): (&DropOptions, u32),
        setup: &Setup,
        trial: Option<(&Scratch, &SelfTest)>,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        if setup.backend == Backend::Frame && !kernel_ids::has_typed_casts(btf) {
            return Err(CollectError::Backend {
                backend: "frame",
                reason: "this kernel's programs cannot read the stack by typed pointers (6.2)"
                    .into(),
            });
        }
        let observer = trial
            .filter(|_| kernel_ids::has_typed_casts(btf))
            .and_then(|_| Observer::load(btf).ok());
        let looks_so = |observer: &Observer| {
            trial.is_some_and(|(_, test)| observer.interruptible(test).unwrap_or(false))
        };
        let known = options.interruptible || observer.as_ref().is_some_and(looks_so);
        let try_one = |program| {
            let trial = (trial, observer.as_ref());
            Self::start_with(program, (options, scratch_netns), setup, trial, btf)
        };
        if known && let Ok(started) = try_one(TRACE_EVENT) {
            return Ok(started);
        }
        let started = try_one(TRACEPOINT).or_else(|first| match first {
            CollectError::Load { .. } => try_one(TRACEPOINT_BLIND),
            other => Err(other),
        })?;
        if started.preemptible && !known {
            // what the trace event's program cannot do, this one does with losses
            return try_one(TRACE_EVENT).or(Ok(started));
        }
        Ok(started)
    }

    fn start_with(
        program: &'static str,
        (options, scratch_netns): (&DropOptions, u32),
        setup: &Setup,
        (trial, observer): (Option<(&Scratch, &SelfTest)>, Option<&Observer>),
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let object = load(options, setup, scratch_netns, program, btf)?;
        let mut links = Vec::new();
        let mut late = Vec::new();
        links.push(tracepoint(&object, program)?);
        if let Some((program, function)) = &setup.fentry {
            let link = object::with_program(&object, program, |p| {
                p.attach_trace().map_err(|e| CollectError::Attach {
                    place: function.clone(),
                    reason: e.to_string(),
                })
            })?;
            links.push(link);
        }
        for probe in &setup.probes {
            if all_loaded(probe.late_modules) {
                links.push(attach(&object, probe)?);
            } else {
                late.push(probe.clone());
            }
        }
        let queue = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::new(RefCell::new(Vec::new()));
        let ring = ring(&object, &queue, &seen)?;
        let counters = object::memory(&object, ".bss")?;
        let mut collector = Self {
            links,
            late,
            legacy: Vec::new(),
            ring,
            queue,
            seen,
            counters,
            object,
            frame: FrameLayout::default(),
            scratch_netns,
            backend: setup.backend,
            sites: Vec::new(),
            preemptible: false,
        };
        if setup.backend == Backend::Frame {
            collector.find_frame(trial.map(|(_, test)| test), observer, &setup.nft)?;
            return Ok(collector);
        }
        match trial.map_or(Ok(()), |(_, test)| collector.try_out(test)) {
            Err(e) if setup.backend != Backend::Tracepoint => return Err(e),
            _ => {}
        }
        Ok(collector)
    }

    /// Which backend tells the rules.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Where packets that a rule or policy drops are freed, as the trial saw
    /// it (code addresses); empty for a backend without a trial.
    pub fn drop_sites(&self) -> &[u64] {
        &self.sites
    }

    /// Waits up to `timeout` for records and returns them in the order in
    /// which the kernel made them (per CPU).
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<DropRecord>, CollectError> {
        let mut records = self.drain(timeout)?;
        records.retain(|r| self.scratch_netns == 0 || r.netns != self.scratch_netns);
        Ok(records)
    }

    pub(super) fn drain(&mut self, timeout: Duration) -> Result<Vec<DropRecord>, CollectError> {
        use libbpf_rs::ErrorKind::{Interrupted, WouldBlock};
        match self.ring.poll(timeout) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), Interrupted | WouldBlock) => {}
            Err(e) => return Err(CollectError::load(e)),
        }
        Ok(self.queue.take())
    }

    /// Attaches probes whose module has been loaded since the start.
    pub fn attach_late(&mut self) -> Result<(), CollectError> {
        let ready: Vec<Probe>;
        (ready, self.late) =
            std::mem::take(&mut self.late).into_iter().partition(|p| all_loaded(p.late_modules));
        for probe in ready {
            self.links.push(attach(&self.object, &probe)?);
        }
        Ok(())
    }

    /// What was lost so far.
    pub fn losses(&self) -> Result<Losses, CollectError> {
        let words = self.counters.words();
        let [ring, nested, notes, frame, ..] = words[..] else {
            return Err(CollectError::load("the loss counters are not there"));
        };
        let legacy: u64 = self.legacy.iter().map(LegacyProbes::unattributed).sum();
        let (nested, attribution) = (nested + self.skipped(), notes + frame + legacy);
        Ok(Losses { ring, nested, attribution, frame, netlink: 0 })
    }

    /// Runs that the kernel skipped because the program was already running.
    pub fn skipped(&self) -> u64 {
        self.object.progs().map(|p| raw::recursion_misses(&p)).sum()
    }
}

fn load(
    options: &DropOptions,
    setup: &Setup,
    scratch_netns: u32,
    tracepoint: &'static str,
    btf: &Btf,
) -> Result<Object, CollectError> {
    let mut config = Config {
        only_device: options.device.as_deref().map(object::device_name),
        has_reason: options.has_reason,
        only_netns: options.netns,
        // where no notes are left nothing can be told by them
        cause_mask: match setup.backend {
            Backend::Tracepoint => u32::MAX,
            _ => options.causes.iter().fold(0, |mask, note| mask | 1 << *note as u8),
        },
        reason: options.reason,
        filter: options
            .filter
            .as_ref()
            .map(|f| (f.bytes_needed.max(options.snap_bytes), f.needs_link, f.wants_vlan_tag)),
        snap_bytes: options.snap_bytes,
        stack: options.stack,
        scratch_netns,
        ..Config::default()
    };
    setup.configure(&mut config);
    let mut open = object::open_filtered(OBJECT, options.filter.as_ref(), btf)?;
    object::set_rodata(&mut open, &config.bytes())?;
    for mut map in open.maps_mut() {
        if map.name() == "ring" {
            let frame = setup.backend == Backend::Frame;
            let least = if frame { FRAME_RING } else { 0 };
            map.set_max_entries(options.ring_bytes.max(least)).map_err(CollectError::load)?;
        }
    }
    if let Some((program, function)) = &setup.fentry {
        for mut p in open.progs_mut().filter(|p| p.name() == *program) {
            p.set_attach_target(0, Some(function.clone())).map_err(CollectError::load)?;
        }
    }
    let mut programs = setup.programs();
    programs.push(tracepoint);
    object::load(open, &programs)
}

fn tracepoint(object: &Object, program: &str) -> Result<Link, CollectError> {
    object::with_program(object, program, |p| {
        let link = if program == TRACE_EVENT { p.attach() } else { p.attach_trace() };
        link.map_err(|e| CollectError::Attach {
            place: "tracepoint skb:kfree_skb".into(),
            reason: e.to_string(),
        })
    })
}

fn attach(object: &Object, probe: &Probe) -> Result<Link, CollectError> {
    object::with_program(object, probe.program, |p| {
        let by_address = probe.address.and_then(|function| {
            raw::attach_kprobe_at(p, function.checked_add(probe.offset)?).ok()
        });
        by_address.map_or_else(|| raw::attach_kprobe(p, &probe.function, probe.offset), Ok)
    })
}

fn ring(
    object: &Object,
    queue: &Rc<RefCell<Vec<DropRecord>>>,
    seen: &Rc<RefCell<Vec<Seen>>>,
) -> Result<RingBuffer<'static>, CollectError> {
    let map = object::map(object, "ring")?;
    let (queue, seen) = (Rc::clone(queue), Rc::clone(seen));
    let mut builder = RingBufferBuilder::new();
    builder
        .add(&map, move |bytes| {
            let mut queue = queue.borrow_mut();
            match DropRecord::parse(bytes) {
                Some(record) => queue.push(record),
                None => seen.borrow_mut().extend(Seen::parse(bytes)),
            }
            // the rest is for the next call
            if queue.len() < AT_ONCE { 0 } else { -libc::EAGAIN }
        })
        .map_err(CollectError::load)?;
    builder.build().map_err(CollectError::load)
}
