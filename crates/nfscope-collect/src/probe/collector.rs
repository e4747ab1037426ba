//! Loads and attaches the programs, and reads what they send and count.

use std::os::fd::AsFd;
use std::time::Duration;

use libbpf_rs::{Link, MapCore, MapFlags, Object};
use nfscope_filter::Insn;
use nfscope_kernel::btf::Btf;

use super::attach::{Kind, attach};
use super::config::{Config, Mode};
use super::record::{Bucket, ProbeRecord, ProbeTotals, buckets};
use crate::memory::MapMemory;
use crate::object::Compiled;
use crate::records::Records;
use crate::stacks::Target;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("probe");
/// Calls that are waited for at a time.
const CALLS: u32 = 1024;
/// Different values that are counted.
const COUNTS: u32 = 8192;

/// Targets at which the same programs run.
#[derive(Debug, Clone)]
pub struct ProbeGroup {
    /// Where; of one kind.
    pub targets: Vec<Target>,
    /// The body of `entry_fields`.
    pub entry: Vec<Insn>,
    /// The body of `return_fields`.
    pub returns: Vec<Insn>,
    /// Bytes of the fields.
    pub data_bytes: u32,
    /// Bytes of those that are counted by.
    pub key_bytes: u32,
    /// The histogram's field may be negative.
    pub signed: bool,
}

/// What to read and what becomes of it.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// Where, and by which programs.
    pub groups: Vec<ProbeGroup>,
    /// What becomes of an event.
    pub mode: Mode,
    /// Tell the kernel's stack.
    pub stack: bool,
    /// pcap filter expression, compiled.
    pub filter: Option<nfscope_filter::Compiled>,
}

/// What was counted: the group, the fields' data, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The group's number.
    pub group: usize,
    /// Its fields.
    pub data: Vec<u8>,
    /// How many events had these.
    pub count: u64,
}

/// Running programs.
pub struct Prober {
    // fields are dropped in order: first no more records, then the maps
    links: Vec<Link>,
    records: Records<ProbeRecord>,
    objects: Vec<Object>,
    sums: MapMemory,
    buckets: MapMemory,
    refused: usize,
    context_known: bool,
    mode: Mode,
}

impl Prober {
    /// Loads and attaches the programs.
    pub fn start(options: &ProbeOptions, btf: &Btf) -> Result<Self, CollectError> {
        // kernels that do not list variables among their symbols do not let
        // the preemption count be read
        match Self::run(options, true, btf) {
            Err(CollectError::Load { .. }) => Self::run(options, false, btf),
            done => done,
        }
    }

    fn run(options: &ProbeOptions, context_known: bool, btf: &Btf) -> Result<Self, CollectError> {
        let multi = btf.has_kprobe_multi();
        let mut objects: Vec<Object> = Vec::new();
        for (number, group) in options.groups.iter().enumerate() {
            let config = config(options, number as u32, group, context_known);
            let kind = Kind::of(&group.targets, multi);
            let object = load(options, group, &config, kind, objects.first(), btf)?;
            objects.push(object);
        }
        let first = objects.first().ok_or_else(|| CollectError::load("there is no target"))?;
        let records = Records::of(first, ProbeRecord::parse)?;
        let sums = object::memory(first, "all")?;
        let buckets = object::memory(first, "buckets")?;
        let (links, refused) = attach(&options.groups, &objects, multi)?;
        let mode = options.mode;
        Ok(Self { links, records, objects, sums, buckets, refused, context_known, mode })
    }

    /// How many functions of patterns the kernel lets nobody probe.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Whether the process that the kernel works for can be told.
    pub fn context_known(&self) -> bool {
        self.context_known
    }

    /// Waits up to `timeout` for records.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<ProbeRecord>, CollectError> {
        self.records.poll(timeout)
    }

    /// Sums so far.
    pub fn totals(&self) -> ProbeTotals {
        let programs = self.objects.iter().flat_map(Object::progs);
        let skipped: u64 = programs.map(|p| raw::recursion_misses(&p)).sum();
        let missed: u64 = self.links.iter().map(raw::probe_misses).sum();
        ProbeTotals { skipped: skipped + missed, ..ProbeTotals::read(&self.sums) }
    }

    /// Ends the watching; the totals at the end. Records that were sent before can
    /// still be had by [`Self::poll`].
    pub fn stop(&mut self) -> ProbeTotals {
        let skipped = self.totals().skipped;
        self.links.clear();
        ProbeTotals { skipped, ..self.totals() }
    }

    /// What was counted by fields.
    pub fn rows(&self) -> Result<Vec<Row>, CollectError> {
        let mut rows = Vec::new();
        if self.mode != Mode::Counts {
            return Ok(rows);
        }
        for (group, object) in self.objects.iter().enumerate() {
            let map = object::map(object, "counts")?;
            for data in map.keys() {
                let value = map.lookup(&data, MapFlags::ANY).map_err(CollectError::load)?;
                let count = value.and_then(|v| v.try_into().ok()).map_or(0, u64::from_ne_bytes);
                rows.push(Row { group, data, count });
            }
        }
        Ok(rows)
    }

    /// The histogram.
    pub fn buckets(&self) -> Vec<Bucket> {
        buckets(&self.buckets.words())
    }
}

fn config(options: &ProbeOptions, number: u32, group: &ProbeGroup, context_known: bool) -> Config {
    let filter = options.filter.as_ref().map(|f| (f.bytes_needed, f.needs_link, f.wants_vlan_tag));
    Config {
        mode: options.mode,
        data_bytes: group.data_bytes,
        group: number,
        stack: options.stack,
        returns: matches!(Kind::of(&group.targets, false), Kind::Call),
        context_known,
        signed: group.signed,
        skb_at: group.targets.first().and_then(|t| t.skb).and_then(|at| at.offset()),
        filter,
    }
}

/// One copy of the object, with the maps of the first.
fn load(
    options: &ProbeOptions,
    group: &ProbeGroup,
    config: &Config,
    kind: Kind,
    first: Option<&Object>,
    btf: &Btf,
) -> Result<Object, CollectError> {
    let filter = object::filter_body(options.filter.as_ref())?;
    let stubs = [
        ("packet_filter", filter.as_slice()),
        ("entry_fields", &group.entry),
        ("return_fields", &group.returns),
    ];
    let mut open = object::open_with(OBJECT.with_variables(config.context_known), &stubs, btf)?;
    object::set_rodata(&mut open, &config.bytes())?;
    for mut map in open.maps_mut() {
        match map.name().to_string_lossy().as_ref() {
            "counts" if options.mode == Mode::Counts => {
                map.set_key_size(group.key_bytes).map_err(CollectError::load)?;
                map.set_max_entries(COUNTS).map_err(CollectError::load)?;
            }
            "calls" if kind == Kind::Call => {
                map.set_max_entries(CALLS).map_err(CollectError::load)?;
            }
            _ => {}
        }
    }
    if let Some(first) = first {
        let mut names = vec!["ring", "all", "buckets"];
        // which has room for none where the first one waits for none
        if kind == Kind::Call {
            names.push("calls");
        }
        let maps = names.into_iter().map(|name| Ok((name, object::map(first, name)?)));
        let maps: Vec<_> = maps.collect::<Result<_, CollectError>>()?;
        let fds: Vec<_> = maps.iter().map(|(name, map)| (*name, map.as_fd())).collect();
        object::share(&mut open, &fds)?;
    }
    object::load(open, kind.programs())
}
