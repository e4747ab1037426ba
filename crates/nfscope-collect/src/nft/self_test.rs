//! Tries located points on packets whose fate is known.
//!
//! In the scratch namespace: a rule that drops, one that accepts, one that
//! jumps to a dropping chain, a verdict map that drops, and a policy that
//! drops. What the programs say of these five packets must be exactly that,
//! else the backend is not used.

use std::cell::RefCell;
use std::net::UdpSocket;

use nfscope_event::Family;
use nfscope_ruleset::netlink::Verdict;
use nfscope_ruleset::netlink::scratch::{
    Base, ChainSpec, HookSpec, RuleSpec, Table, TableSpec, VerdictMapSpec,
};

use super::Scratch;
use crate::CollectError;
use crate::drop::{DropRecord, Note};

const TABLE: &str = "nfscope-self-test";
const BASE: &str = "base";
const SUB: &str = "sub";
/// `NF_INET_LOCAL_IN`
const LOCAL_IN: u32 = 1;
/// `NF_INET_LOCAL_OUT`
const LOCAL_OUT: u32 = 3;
const MAP: &str = "map";
/// Ports of the packets.
const DROPPED: u16 = 40001;
const ACCEPTED: u16 = 40002;
const JUMPED: u16 = 40003;
const MAPPED: u16 = 40004;
const POLICY: u16 = 40005;
const OTHER_CALLER: u16 = 40006;
/// `PRIORITY` of the base chain, to see that the field is read right.
const PRIORITY: i32 = -7;

/// What is wanted of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// UDP destination port.
    pub port: u16,
    /// Kind of the note; [`Note::None`]: there must be no note.
    pub note: Note,
    /// The rule's handle; 0 for a policy.
    pub handle: u64,
    /// A rule jumps to another chain before.
    pub jumps: bool,
    /// Handles of the rules that do not match, in order.
    pub missed: Vec<u64>,
    /// Its base chain is the other family's.
    pub other_caller: bool,
}

/// The trial ruleset, in place.
#[derive(Debug)]
pub struct SelfTest {
    table: Table,
    /// Of another family, whose chains another function calls.
    other: RefCell<Option<Table>>,
    scratch: Scratch,
}

impl SelfTest {
    /// Builds the ruleset in the scratch namespace.
    pub fn prepare(scratch: &Scratch) -> Result<Self, CollectError> {
        let table = create(scratch, spec())?;
        Ok(Self { table, other: RefCell::default(), scratch: scratch.clone() })
    }

    /// Two more base chains, of another family, so that another function calls
    /// them: one whose rule drops, and one without any rule, met by the packet
    /// that is accepted else. What the stack has of callers, and of what was
    /// called before, is then not the same for all packets.
    pub fn add_other_callers(&self) -> Result<(), CollectError> {
        *self.other.borrow_mut() = Some(create(&self.scratch, other_spec())?);
        Ok(())
    }

    /// Takes that rule away.
    pub fn remove_other_callers(&self) {
        if let Some(table) = self.other.borrow_mut().take() {
            self.scratch.leave(move || {
                let _ = table.delete();
            });
        }
    }

    /// The packets in the order of [`Self::send`], and what must be said of them.
    pub fn trials(&self) -> Vec<Trial> {
        let base = self.table.handles(BASE);
        let sub = self.table.handles(SUB);
        let handle = |list: &[u64], n: usize| list.get(n).copied().unwrap_or(0);
        let missed = |n: usize| base.iter().take(n).copied().collect();
        let trial = |port, note, handle, jumps, missed| Trial {
            port,
            note,
            handle,
            jumps,
            missed,
            other_caller: false,
        };
        let mut trials = vec![
            trial(DROPPED, Note::Rule, handle(base, 0), false, missed(0)),
            trial(ACCEPTED, Note::None, 0, false, missed(1)),
            trial(JUMPED, Note::Rule, handle(sub, 0), true, missed(2)),
            trial(MAPPED, Note::Rule, handle(base, 3), false, missed(3)),
            trial(POLICY, Note::Policy, 0, false, missed(5)),
        ];
        if let Some(other) = &*self.other.borrow() {
            for trial in trials.iter_mut().filter(|trial| trial.port == ACCEPTED) {
                (trial.note, trial.other_caller) = (Note::Policy, true);
            }
            let rule = handle(other.handles(BASE), 0);
            let other = trial(OTHER_CALLER, Note::Rule, rule, false, Vec::new());
            trials.push(Trial { other_caller: true, ..other });
        }
        trials
    }

    /// Sends the packets. The accepted one meets no socket: the stack drops
    /// it, so that every packet leaves a record.
    pub fn send(&self) -> Result<(), CollectError> {
        self.trials().iter().try_for_each(|trial| self.send_one(trial))
    }

    /// Sends one of them.
    pub fn send_one(&self, trial: &Trial) -> Result<(), CollectError> {
        let port = trial.port;
        self.scratch.run(move || {
            // a drop in the output hook comes back as EPERM: as wanted
            let _ = UdpSocket::bind("127.0.0.1:0")
                .and_then(|socket| socket.send_to(b"nfscope", ("127.0.0.1", port)));
        })
    }

    /// Takes the ruleset away, so that another trial can follow. Nobody waits
    /// for it: while the kernel makes new kprobes faster, a hook that comes or
    /// goes can take it a third of a second.
    pub fn remove(self) {
        self.remove_other_callers();
        let table = self.table;
        self.scratch.leave(move || {
            // if it stays, the next trial says so
            let _ = table.delete();
        });
    }

    /// What is wrong with the records, if anything.
    pub fn judge(&self, records: &[DropRecord]) -> Result<(), String> {
        for trial in self.trials() {
            let of_packet: Vec<&DropRecord> =
                records.iter().filter(|r| udp_port(&r.frame) == Some(trial.port)).collect();
            let [record] = of_packet[..] else {
                return Err(format!(
                    "the packet to port {} was reported {} times, not once",
                    trial.port,
                    of_packet.len()
                ));
            };
            match (&record.nft, trial.note) {
                (None, Note::None) => {}
                (Some(part), wanted) if part.note == wanted => {
                    let chain_right = if part.chain_is_base {
                        part.chain == BASE && part.priority == Some(PRIORITY)
                    } else {
                        part.chain == BASE || part.chain == SUB
                    };
                    let right = part.rule == trial.handle
                        && part.table == TABLE
                        && part.family == Family::Ip.nfproto()
                        && u32::from(part.hook) == LOCAL_OUT
                        && chain_right;
                    if !right {
                        return Err(format!(
                            "the packet to port {} was put down to table {:?} chain {:?} handle {}, not to {TABLE:?} handle {}",
                            trial.port, part.table, part.chain, part.rule, trial.handle
                        ));
                    }
                }
                (found, wanted) => {
                    return Err(format!(
                        "the packet to port {} was put down to {:?}, not to {wanted:?}",
                        trial.port,
                        found.as_ref().map_or(Note::None, |p| p.note)
                    ));
                }
            }
        }
        Ok(())
    }
}

fn create(scratch: &Scratch, spec: TableSpec) -> Result<Table, CollectError> {
    scratch.run(move || Table::create(&spec))?.map_err(|e| CollectError::Backend {
        backend: "points",
        reason: format!("the self-test's ruleset cannot be made: {e}"),
    })
}

fn other_spec() -> TableSpec {
    let hook = |number, priority, policy| HookSpec { number, priority, policy, device: None };
    TableSpec {
        family: Family::Inet,
        name: TABLE.into(),
        owned: false,
        chains: vec![
            ChainSpec {
                name: "input".into(),
                hook: Some(hook(LOCAL_IN, PRIORITY, Verdict::Drop)),
                rules: Vec::new(),
            },
            ChainSpec {
                name: BASE.into(),
                hook: Some(hook(LOCAL_OUT, PRIORITY - 1, Verdict::Accept)),
                rules: vec![RuleSpec::new().udp_to(OTHER_CALLER).verdict(Verdict::Drop)],
            },
        ],
        maps: Vec::new(),
    }
}

fn spec() -> TableSpec {
    let hook =
        HookSpec { number: LOCAL_OUT, priority: PRIORITY, policy: Verdict::Drop, device: None };
    let rule = |port: u16, verdict: Verdict| RuleSpec::new().udp_to(port).verdict(verdict);
    // ICMP errors for the accepted packet must not count as drops
    let icmp = RuleSpec::new().transport(1).verdict(Verdict::Accept);
    TableSpec {
        family: Family::Ip,
        name: TABLE.into(),
        owned: false,
        chains: vec![
            ChainSpec {
                name: SUB.into(),
                hook: None,
                rules: vec![RuleSpec::new().verdict(Verdict::Drop)],
            },
            ChainSpec {
                name: BASE.into(),
                hook: Some(hook),
                rules: vec![
                    rule(DROPPED, Verdict::Drop),
                    rule(ACCEPTED, Verdict::Accept),
                    rule(JUMPED, Verdict::Jump(SUB.into())),
                    RuleSpec::new().load_payload(Base::Transport, 2, 2).verdict_map(MAP),
                    icmp,
                ],
            },
        ],
        maps: vec![VerdictMapSpec {
            name: MAP.into(),
            elements: vec![(MAPPED.to_be_bytes().to_vec(), Verdict::Drop)],
        }],
    }
}

/// UDP destination port of an IPv4 frame without options.
pub fn udp_port(frame: &[u8]) -> Option<u16> {
    let ip = frame.get(14..)?;
    if ip.first()? != &0x45 || ip.get(9)? != &17 {
        return None;
    }
    Some(u16::from_be_bytes(ip.get(22..24)?.try_into().ok()?))
}
