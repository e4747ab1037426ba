//! Loads and attaches the programs, and reads what they send.

use std::os::fd::AsFd;
use std::time::Duration;

use libbpf_rs::{Link, Object};
use nfscope_kernel::btf::Btf;

use super::config::{Arguments, Config};
use super::netfilter::{Netfilter, NetfilterPlaces};
use super::tables::TableRejects;
use super::{Losses, ResetRecord};
use crate::memory::MapMemory;
use crate::object::{Compiled, Opened};
use crate::records::Records;
use crate::{CollectError, object, raw};

/// The compiled programs.
const OBJECT: Compiled = object::compiled!("resets");
/// Kprobes at entries: program and function.
const ALWAYS: [(&str, &str); 6] = [
    // first what uses notes, so that none is left for nobody
    ("at_v4_sent", "ip_send_unicast_reply"),
    ("at_v6_sent", "tcp_v6_send_response"),
    ("at_v4_reply", "tcp_v4_send_reset"),
    ("at_v6_reply", "tcp_v6_send_reset"),
    ("at_active", "tcp_send_active_reset"),
    ("at_accepted", "tcp_reset"),
];
/// What every packet passes: by fentry where that works.
const PASSAGES: [(&str, &str, &str); 4] = [
    ("at_v4_arrival_fentry", "at_v4_arrival_kprobe", "tcp_v4_rcv"),
    ("at_v6_arrival_fentry", "at_v6_arrival_kprobe", "tcp_v6_rcv"),
    ("at_v4_forward_fentry", "at_v4_forward_kprobe", "ip_forward"),
    ("at_v6_forward_fentry", "at_v6_forward_kprobe", "ip6_forward"),
];
/// Packets on their way to a device, by a typed tracepoint.
const QUEUE: &str = "at_queue";
/// The trace event of sockets' states.
const STATES: (&str, &str, &str) = ("at_state", "sock", "inet_sock_set_state");

/// What the user wants to see.
#[derive(Debug, Clone)]
pub struct ResetOptions {
    /// pcap filter expression, compiled.
    pub filter: Option<nfscope_filter::Compiled>,
    /// Only this namespace (inode).
    pub netns: Option<u32>,
    /// Only packets of this device.
    pub device: Option<String>,
    /// Size of the ring buffer in bytes, a power of two and of pages.
    pub ring_bytes: u32,
}

/// Running programs.
pub struct ResetCollector {
    // fields are dropped in order: first no more events, then the maps
    links: Vec<Link>,
    netfilter: Option<Netfilter>,
    pub(super) tables: Vec<TableRejects>,
    /// What netfilter's former programs lost.
    pub(super) lost_before: Losses,
    records: Records<ResetRecord>,
    counters: MapMemory,
    pub(super) object: Object,
    config: Config,
    filter: Option<nfscope_filter::Compiled>,
    ring_bytes: u32,
    absent: Vec<&'static str>,
}

impl ResetCollector {
    /// Loads the programs and attaches them.
    pub fn start(options: &ResetOptions, btf: &Btf) -> Result<Self, CollectError> {
        let mut config = Config {
            only_device: options.device.as_deref().map(object::device_name),
            arguments: Arguments::read(btf),
            only_netns: options.netns,
            filter: options.filter.as_ref().map(|f| f.bytes_needed),
            context_known: true,
            ..Config::default()
        };
        // kernels that do not list variables among their symbols do not let
        // the preemption count be read
        for context_known in [true, false] {
            config.context_known = context_known;
            for fentry in [true, false] {
                match Self::run(options, &config, fentry, btf) {
                    Err(CollectError::Load { .. } | CollectError::Attach { .. }) => {}
                    done => return done,
                }
            }
        }
        // the last refusal again, with its words
        Self::run(options, &config, false, btf)
    }

    fn run(
        options: &ResetOptions,
        config: &Config,
        fentry: bool,
        btf: &Btf,
    ) -> Result<Self, CollectError> {
        let compiled = OBJECT.with_variables(config.context_known);
        let mut open = object::open_filtered(compiled, options.filter.as_ref(), btf)?;
        object::set_rodata(&mut open, &config.bytes())?;
        set_ring(&mut open, options.ring_bytes)?;
        let mut programs: Vec<&str> = ALWAYS.map(|(program, _)| program).to_vec();
        programs.extend([STATES.0, QUEUE]);
        for (entry, kprobe, function) in PASSAGES {
            programs.push(if fentry { entry } else { kprobe });
            for mut p in open.progs_mut().filter(|p| fentry && p.name() == entry) {
                p.set_attach_target(0, Some(function.into())).map_err(CollectError::load)?;
            }
        }
        let object = object::load(open, &programs)?;
        let (mut links, mut absent) = (Vec::new(), Vec::new());
        let (program, category, name) = STATES;
        links.push(object::with_program(&object, program, |p| {
            raw::attach_tracepoint(p, category, name).map_err(|e| CollectError::Attach {
                place: format!("tracepoint {category}:{name}"),
                reason: e.to_string(),
            })
        })?);
        links.push(object::with_program(&object, QUEUE, |p| {
            p.attach_trace().map_err(|e| CollectError::Attach {
                place: "tracepoint net:net_dev_queue".into(),
                reason: e.to_string(),
            })
        })?);
        for (program, function) in ALWAYS {
            let known = match program {
                "at_v4_sent" => config.arguments.knows_v4(),
                "at_v6_sent" => config.arguments.knows_v6(),
                _ => true,
            };
            let link = object::with_program(&object, program, |p| {
                if known { raw::attach_kprobe(p, function, 0) } else { Err(unknown(function)) }
            });
            match link {
                Ok(link) => links.push(link),
                Err(_) => absent.push(function),
            }
        }
        for (entry, kprobe, function) in PASSAGES {
            let link = if fentry {
                object::with_program(&object, entry, |p| {
                    p.attach_trace().map_err(|e| CollectError::Attach {
                        place: function.into(),
                        reason: e.to_string(),
                    })
                })?
            } else {
                match object::with_program(&object, kprobe, |p| raw::attach_kprobe(p, function, 0))
                {
                    Ok(link) => link,
                    Err(_) => {
                        absent.push(function);
                        continue;
                    }
                }
            };
            links.push(link);
        }
        let records = Records::of(&object, ResetRecord::parse)?;
        let counters = object::memory(&object, ".bss")?;
        Ok(Self {
            links,
            netfilter: None,
            tables: Vec::new(),
            lost_before: Losses::default(),
            records,
            counters,
            object,
            config: config.clone(),
            filter: options.filter.clone(),
            ring_bytes: options.ring_bytes,
            absent,
        })
    }

    /// Functions that this kernel does not have or lets nobody probe: what
    /// passes there is not seen.
    pub fn absent(&self) -> &[&'static str] {
        &self.absent
    }

    /// Whether the process that the kernel works for can be told.
    pub fn context_known(&self) -> bool {
        self.config.context_known
    }

    /// Attaches to netfilter, or anew where other parts of it are loaded.
    pub fn attach_netfilter(
        &mut self,
        places: &NetfilterPlaces,
        btf: &Btf,
    ) -> Result<(), CollectError> {
        // loading takes long: what is attached works until then
        let loaded = self.load_netfilter(places, btf);
        if let Some(old) = self.netfilter.take() {
            self.lost_before.add(old.end());
        }
        // what the kernel keeps is learnt anew
        let tracking = places.hooks().into_iter().chain([0]);
        let tracking: Vec<u8> = tracking.flat_map(u64::to_ne_bytes).collect();
        object::set_value(&self.object, "tracking", &tracking)?;
        let Some(mut netfilter) = loaded? else { return Ok(()) };
        netfilter.attach(places)?;
        self.netfilter = Some(netfilter);
        Ok(())
    }

    fn load_netfilter(
        &self,
        places: &NetfilterPlaces,
        btf: &Btf,
    ) -> Result<Option<Netfilter>, CollectError> {
        if places.is_empty() {
            return Ok(None);
        }
        let mut config = self.config.clone();
        places.configure(&mut config);
        let shared = ["ring", "invalids", "scratches", "tracking", "rejects", "table_rules"];
        let maps = shared.map(|name| Ok((name, object::map(&self.object, name)?)));
        let maps: Vec<_> = maps.into_iter().collect::<Result<_, CollectError>>()?;
        let fds: Vec<_> = maps.iter().map(|(name, map)| (*name, map.as_fd())).collect();
        let shared = (&fds[..], self.ring_bytes);
        Netfilter::load(places, &config, self.filter.as_ref(), shared, btf).map(Some)
    }

    /// Waits up to `timeout` for records and returns them in the order in
    /// which the kernel sent them.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<ResetRecord>, CollectError> {
        self.records.poll(timeout)
    }

    /// What was lost so far.
    pub fn losses(&self) -> Losses {
        let mut all = losses(&self.object, &self.counters, self.links.iter());
        all.add(self.lost_before);
        self.tables.iter().for_each(|tables| all.add(tables.losses()));
        if let Some(netfilter) = &self.netfilter {
            all.add(netfilter.losses());
        }
        all
    }
}

/// What an object's programs lost.
pub fn losses<'l>(
    object: &Object,
    counters: &MapMemory,
    links: impl Iterator<Item = &'l Link>,
) -> Losses {
    let ring = counters.words().first().copied().unwrap_or(0);
    let skipped: u64 = object.progs().map(|p| raw::recursion_misses(&p)).sum();
    Losses { ring, nested: skipped + links.map(raw::probe_misses).sum::<u64>() }
}

pub(super) fn set_ring(open: &mut Opened, bytes: u32) -> Result<(), CollectError> {
    for mut map in open.maps_mut() {
        if map.name() == "ring" {
            map.set_max_entries(bytes).map_err(CollectError::load)?;
        }
    }
    Ok(())
}

fn unknown(function: &str) -> CollectError {
    CollectError::Attach {
        place: function.into(),
        reason: "the kernel's types do not have its arguments".into(),
    }
}
