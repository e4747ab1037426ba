//! From a record of the kernel to an event: names and texts.

use nfscope_collect::drop::{DropRecord, LegacyPart, NftPart, Note};
use nfscope_event::decode::{Frame, OffloadedVlan};
use nfscope_event::{
    Backend, Cause, ChainRef, Device, Drop, Family, Freed, KernelDrop, Netns, NftPolicy, NftRule,
    NftVerdict, Packet, Process, SourceFrame,
};

use super::drop_functions::known_drop;
use super::reason_names::ReasonNames;
use super::reasons::explain;
use super::source::SourceLines;
use super::symbols::Symbols;
use super::{hooks, legacy, wall_clock};

/// Bytes of the Ethernet header that every frame starts with, real or not.
const LINK_BYTES: usize = 14;

/// The function that frees what rules drop, since about 6.7.
const INSIDE: &str = "nft_do_chain";
/// Callers of hooks that free what a hook dropped (`net/netfilter/core.c`,
/// `net/bridge/br_input.c`, `include/linux/netfilter_netdev.h`).
const CALLERS: [&str; 8] = [
    "nf_hook_slow",
    "nf_hook_slow_list",
    "br_handle_frame",
    "nf_hook_bridge_pre",
    "__netif_receive_skb_core",
    "__dev_queue_xmit",
    // what comes back from a queue goes on with the hooks behind
    "nf_reinject",
    "nfqnl_reinject",
];
/// What carries out a queue's verdict, and frees the packet where it cannot.
const QUEUEING: [&str; 2] = ["nf_queue", "__nf_queue"];
/// The function that calls hooks and frees what they drop.
const HOOKS: &str = "nf_hook_slow";
/// The reason of code that gives none.
const NO_REASON: &str = "NOT_SPECIFIED";
/// A verdict that cannot be carried out ends its packet within this time.
const AT_ONCE_NS: u64 = 1_000_000_000;

/// Turns records into events.
pub struct DropResolver {
    /// Nanoseconds from the kernel's monotonic clock to the wall clock.
    clock_offset_ns: i128,
    reasons: ReasonNames,
    symbols: Symbols,
    numeric: bool,
    backend: Backend,
    /// Functions that free what a rule or policy drops.
    freeing: Vec<String>,
}

impl DropResolver {
    /// `sites`: where the backend's trial saw dropped packets freed.
    /// `numeric`: print addresses instead of function names.
    pub fn new(reasons: ReasonNames, backend: Backend, sites: &[u64], numeric: bool) -> Self {
        let mut resolver = Self {
            clock_offset_ns: wall_clock::offset_ns(),
            reasons,
            symbols: Symbols::default(),
            numeric,
            backend,
            freeing: Vec::new(),
        };
        resolver.set_backend(backend, sites);
        resolver
    }

    /// Records come from that backend from here on.
    pub fn set_backend(&mut self, backend: Backend, sites: &[u64]) {
        self.backend = backend;
        self.symbols.learn(sites);
        let symbols = &mut self.symbols;
        self.freeing = sites.iter().filter_map(|s| symbols.function(*s)).collect();
        // where nft_do_chain leaves the freeing to its caller, there are more
        // callers than the one that the trial went through
        if !self.freeing.is_empty() && !self.freeing.iter().any(|f| f == INSIDE) {
            self.freeing.extend(CALLERS.map(str::to_string));
        }
    }

    /// Follows the wall clock: it is set now and then, and the other one stands
    /// still while the machine sleeps.
    pub fn set_clock(&mut self) {
        self.clock_offset_ns = wall_clock::offset_ns();
    }

    /// The wall clock's time for a monotonic stamp.
    pub fn time_ns(&self, monotonic_ns: u64) -> u64 {
        u64::try_from(i128::from(monotonic_ns) + self.clock_offset_ns).unwrap_or(0)
    }

    /// Now, as a wall clock stamp.
    pub fn now_ns(&self) -> u64 {
        wall_clock::now_ns()
    }

    /// The innermost of these callers that is not one of `freeing`, or the
    /// address of the outermost.
    pub(super) fn freed_in(&mut self, callers: &[u64], freeing: &[&str]) -> Option<String> {
        self.symbols.learn(callers);
        let known = |s: &mut Symbols, address: &u64| {
            s.function(*address).is_some_and(|f| freeing.contains(&f.as_str()) || of_tracing(&f))
        };
        let caller = callers.iter().find(|address| !known(&mut self.symbols, address))?;
        Some(self.place(*caller))
    }

    /// Looks up all functions that these records name, in one pass.
    pub fn learn(&mut self, records: &[DropRecord]) {
        let addresses: Vec<u64> = records
            .iter()
            .flat_map(|r| std::iter::once(r.location).chain(r.stack.iter().copied()))
            .collect();
        self.symbols.learn(&addresses);
    }

    /// The event, with everything but the rule's text and the namespace's name.
    pub fn event(&mut self, record: &DropRecord) -> Drop {
        let device =
            |d: &Option<(u32, String)>| d.clone().map(|(index, name)| Device { index, name });
        let (cause, backend) = self.cause(record);
        let (input, output) = match (&record.nft, &record.legacy) {
            (Some(nft), _) => (nft.input.clone(), nft.output.clone()),
            (None, Some(legacy)) => (legacy.input.clone(), legacy.output.clone()),
            (None, None) => (None, None),
        };
        Drop {
            time_ns: self.time_ns(record.monotonic_ns),
            cpu: record.cpu,
            netns: Netns { inode: record.netns, name: None },
            device: device(&record.device),
            in_device: device(&input),
            out_device: device(&output),
            cause,
            backend,
            packet: packet(record),
            process: process(record.process.as_ref()),
            stack: self.frames(&record.stack).iter().map(|address| self.place(*address)).collect(),
            stack_source: Vec::new(),
        }
    }

    /// Source lines of the event's stack.
    pub fn source(
        &mut self,
        record: &DropRecord,
        lines: &mut SourceLines<'_>,
    ) -> Vec<Vec<SourceFrame>> {
        lines.stack(self.frames(&record.stack), &mut self.symbols)
    }

    fn cause(&mut self, record: &DropRecord) -> (Cause, Backend) {
        if let Some(part) = &record.legacy {
            return match legacy::cause(part).filter(|_| self.ended_by_table(record, part)) {
                Some(cause) => (cause, Backend::Points),
                // the packet went on from there and met its end elsewhere
                None => (self.kernel(record), Backend::Tracepoint),
            };
        }
        let Some((nft, place)) = record.nft.as_ref().and_then(|n| Some((n, place(n)?))) else {
            return (self.kernel(record), Backend::Tracepoint);
        };
        let verdict = match nft.note {
            Note::Rule | Note::Policy if !self.freed_by_nft(record) => {
                // the kernel skipped our program when this note's packet was
                // freed; this is another packet at the same address
                return (self.kernel(record), Backend::Tracepoint);
            }
            Note::Policy => {
                let policy = "drop".to_string();
                return (Cause::NftPolicy(NftPolicy { place, policy }), self.backend);
            }
            Note::Queue | Note::Fwd if !self.ended_there(record, nft) => {
                // the packet went on from there and met its end elsewhere
                return (self.kernel(record), Backend::Tracepoint);
            }
            Note::Queue => NftVerdict::Queue,
            Note::Fwd => NftVerdict::Fwd,
            _ => NftVerdict::Unknown,
        };
        let rule = NftRule {
            place,
            handle: nft.rule,
            verdict,
            rule: None,
            iptables: None,
            comment: None,
            element: None,
            sent: None,
            text_unknown: None,
        };
        (Cause::NftRule(rule), self.backend)
    }

    /// Whether the packet was freed where rules' and policies' drops are.
    fn freed_by_nft(&mut self, record: &DropRecord) -> bool {
        let function = self.symbols.function(record.location);
        self.freeing.is_empty() || function.is_none_or(|f| self.freeing.contains(&f))
    }

    /// Whether the packet was freed where a table function's verdict is carried
    /// out, and at once: the function itself frees nothing.
    fn ended_by_table(&mut self, record: &DropRecord, part: &LegacyPart) -> bool {
        let carriers: &[&str] = match part.note {
            Note::LegacyQueue => &QUEUEING,
            _ => &CALLERS,
        };
        let function = self.symbols.function(record.location);
        let there = function.is_none_or(|f| carriers.contains(&f.as_str()));
        part.age_ns < AT_ONCE_NS && there
    }

    /// Whether the packet was freed by the code that carries out such a
    /// verdict, and at once: else the note is about an earlier packet at the
    /// same address, or the packet went on from there.
    fn ended_there(&mut self, record: &DropRecord, nft: &NftPart) -> bool {
        let carriers: &[&str] = match nft.note {
            Note::Queue => &QUEUEING,
            _ => &["nf_fwd_netdev_egress", "nf_do_netdev_egress"],
        };
        let function = self.symbols.function(record.location);
        nft.age_ns < AT_ONCE_NS && function.is_some_and(|f| carriers.contains(&f.as_str()))
    }

    fn kernel(&mut self, record: &DropRecord) -> Cause {
        self.kernel_cause(record.location, record.reason, record.hook_function)
    }

    /// What the kernel itself says of a drop.
    pub(super) fn kernel_cause(
        &mut self,
        location: u64,
        reason: u32,
        hook_function: Option<u64>,
    ) -> Cause {
        let function = (!self.numeric).then(|| self.symbols.place(location)).flatten();
        let name = self.symbols.function(location);
        let hook_function = hook_function
            .filter(|_| name.as_deref() == Some(HOOKS))
            .and_then(|address| self.symbols.function(address));
        if !self.reasons.known() {
            let Some(sentence) = name.as_deref().and_then(known_drop) else {
                return Cause::Freed(Freed { function, location });
            };
            return Cause::Kernel(KernelDrop {
                reason: None,
                explanation: Some(sentence.to_string()),
                hint: None,
                function,
                location,
                hook_function,
            });
        }
        let reason = self.reasons.name(reason);
        let explanation = explain(&reason);
        // without a reason the place may still be a known one
        let by_place = name.as_deref().filter(|_| reason == NO_REASON).and_then(known_drop);
        let sentence = by_place.or(explanation.as_ref().map(|e| e.sentence));
        Cause::Kernel(KernelDrop {
            explanation: sentence.map(str::to_string),
            hint: explanation.and_then(|e| e.hint).map(str::to_string),
            reason: Some(reason),
            function,
            location,
            hook_function,
        })
    }

    /// The frames from the one that freed the packet on: those above it belong
    /// to the tracepoint and to the program that walked the stack.
    fn frames<'r>(&mut self, addresses: &'r [u64]) -> &'r [u64] {
        let first = addresses
            .iter()
            .rposition(|a| self.symbols.function(*a).is_some_and(|name| of_tracing(&name)));
        &addresses[first.map_or(0, |last| last + 1)..]
    }

    fn place(&mut self, address: u64) -> String {
        let known = (!self.numeric).then(|| self.symbols.place(address)).flatten();
        known.unwrap_or_else(|| format!("{address:#x}"))
    }
}

/// Where the rule stands; `None` if the note makes no sense.
fn place(nft: &NftPart) -> Option<ChainRef> {
    let chain = nft.chain.clone();
    let (own, base) = if nft.chain_is_base && nft.note != Note::Policy {
        (None, Some(chain))
    } else {
        (Some(chain), None)
    };
    Some(ChainRef {
        family: Family::from_nfproto(nft.family)?,
        table: nft.table.clone(),
        chain: own,
        base_chain: base,
        hook: hooks::name(nft.pf, nft.hook).map(str::to_string),
        priority: nft.priority,
    })
}

/// Whether a function belongs to what runs our programs.
fn of_tracing(name: &str) -> bool {
    ["bpf_prog_", "bpf_trace_", "__bpf_trace_", "__traceiter_", "bpf_trampoline_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The process, unless it is the thread that works off softirqs.
pub(super) fn process(process: Option<&(u32, String)>) -> Option<Process> {
    let (pid, command) = process.cloned()?;
    (!command.starts_with("ksoftirqd/")).then_some(Process { pid, command })
}

pub(super) fn packet(record: &DropRecord) -> Packet {
    let bytes = if record.has_link {
        &record.frame[..]
    } else {
        record.frame.get(LINK_BYTES..).unwrap_or_default()
    };
    let frame = Frame {
        ethertype: record.ethertype,
        has_link: record.has_link,
        bytes,
        offloaded_vlan: record.tag.map(|(protocol, tci)| OffloadedVlan { protocol, tci }),
    };
    Packet::from_frame(record.skb, record.length, record.mark, &frame)
}
