//! Loads and attaches the programs, and reads what they counted.

use std::os::fd::AsFd;

use libbpf_rs::{Link, Object};
use nfscope_kernel::btf::Btf;

use super::config::Config;
use super::counts::{STACK_MAPS, processes, rows};
use super::targets::{Group, attach, groups};
use super::{By, Counts, Target, Totals};
use crate::memory::MapMemory;
use crate::object::Compiled;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("stacks");
/// Where the kernel tells how deep it walks stacks, and how deep that is if not.
const DEPTH_SETTING: &str = "/proc/sys/kernel/perf_event_max_stack";
const DEPTH: u32 = 127;
/// Maps that the copies of the object share.
const SHARED: [&str; 6] = ["stacks_0", "stacks_1", "stacks_2", "stacks_3", "counts", "all"];

/// What to count.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Where.
    pub targets: Vec<Target>,
    /// pcap filter expression, compiled.
    pub filter: Option<nfscope_filter::Compiled>,
    /// What to count apart.
    pub by: By,
    /// End after so many events.
    pub limit: Option<u64>,
    /// Room for so many stacks, and for so many counts.
    pub max_stacks: u32,
}

/// Running programs.
pub struct Counting {
    // fields are dropped in order: first nothing counts, then the maps
    links: Vec<Link>,
    objects: Vec<Object>,
    /// The map of sums, which all objects share.
    sums: Option<MapMemory>,
    refused: usize,
    context_known: bool,
    depth: u32,
}

impl Counting {
    /// Loads and attaches the programs.
    pub fn start(options: &StackOptions, btf: &Btf) -> Result<Self, CollectError> {
        // kernels that do not list variables among their symbols do not let
        // the preemption count be read
        match Self::run(options, true, btf) {
            Err(CollectError::Load { .. }) => Self::run(options, false, btf),
            done => done,
        }
    }

    fn run(options: &StackOptions, context_known: bool, btf: &Btf) -> Result<Self, CollectError> {
        let depth = std::fs::read_to_string(DEPTH_SETTING).ok();
        let depth = depth.and_then(|d| d.trim().parse().ok()).unwrap_or(DEPTH).clamp(1, DEPTH);
        let multi = btf.has_kprobe_multi();
        let mut all = Self {
            links: Vec::new(),
            objects: Vec::new(),
            sums: None,
            refused: 0,
            context_known,
            depth,
        };
        let groups = groups(&options.targets, multi);
        for group in groups.keys() {
            let object = all.load(options, group, btf)?;
            all.objects.push(object);
        }
        all.sums = all.objects.first().map(|o| object::memory(o, "all")).transpose()?;
        for (((kind, ..), targets), object) in groups.iter().zip(&all.objects) {
            let (links, refused) = attach(object, *kind, targets)?;
            all.links.extend(links);
            all.refused += refused;
        }
        Ok(all)
    }

    /// One more copy of the object, with the maps of the first.
    fn load(
        &self,
        options: &StackOptions,
        (kind, skb, reason): &Group,
        btf: &Btf,
    ) -> Result<Object, CollectError> {
        let config = Config {
            limit: options.limit,
            skb_at: skb.and_then(|a| a.offset()),
            reason_at: reason.and_then(|a| a.offset()),
            by: options.by,
            context_known: self.context_known,
            filter: options
                .filter
                .as_ref()
                .map(|f| (f.bytes_needed, f.needs_link, f.wants_vlan_tag)),
        };
        let compiled = OBJECT.with_variables(self.context_known);
        let mut open = object::open_filtered(compiled, options.filter.as_ref(), btf)?;
        object::set_rodata(&mut open, &config.bytes())?;
        // of each of the four there is a power of two
        let each = options.max_stacks.div_ceil(4).next_power_of_two();
        for mut map in open.maps_mut() {
            let name = map.name().to_string_lossy().into_owned();
            if STACK_MAPS.contains(&name.as_str()) {
                map.set_max_entries(each).map_err(CollectError::load)?;
                map.set_value_size(self.depth * 8).map_err(CollectError::load)?;
            } else if name == "counts" {
                map.set_max_entries(options.max_stacks).map_err(CollectError::load)?;
            }
        }
        if let Some(first) = self.objects.first() {
            let maps = SHARED.map(|name| Ok((name, object::map(first, name)?)));
            let maps: Vec<_> = maps.into_iter().collect::<Result<_, CollectError>>()?;
            let fds: Vec<_> = maps.iter().map(|(name, map)| (*name, map.as_fd())).collect();
            object::share(&mut open, &fds)?;
        }
        object::load(open, &[kind.program()])
    }

    /// How many functions of patterns the kernel lets nobody probe.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Whether the process that the kernel works for can be told.
    pub fn context_known(&self) -> bool {
        self.context_known
    }

    /// The deepest stack that is kept whole is one frame less.
    pub fn depth(&self) -> usize {
        self.depth as usize
    }

    /// Sums so far.
    pub fn totals(&self) -> Result<Totals, CollectError> {
        let programs = self.objects.iter().flat_map(Object::progs);
        let skipped: u64 = programs.map(|p| raw::recursion_misses(&p)).sum();
        let missed: u64 = self.links.iter().map(raw::probe_misses).sum();
        Ok(Totals { skipped: skipped + missed, ..self.counted()? })
    }

    /// The processes that have a count so far.
    pub fn processes(&self) -> Result<Vec<u32>, CollectError> {
        processes(self.first()?)
    }

    /// Ends counting, and hands out what was counted.
    pub fn finish(mut self) -> Result<Counts, CollectError> {
        let skipped = self.totals()?.skipped;
        self.links.clear();
        let totals = Totals { skipped, ..self.counted()? };
        Ok(Counts { rows: rows(self.first()?)?, totals })
    }

    fn counted(&self) -> Result<Totals, CollectError> {
        let sums = self.sums.as_ref().ok_or_else(no_target)?;
        Totals::read(sums)
    }

    fn first(&self) -> Result<&Object, CollectError> {
        self.objects.first().ok_or_else(no_target)
    }
}

fn no_target() -> CollectError {
    CollectError::load("there is no target")
}
