//! Located points as places in a function, each with what a probe there finds: for people who read the code.

use serde::Serialize;

use super::Loc;
use super::ebt::{BridgePoint, BridgePoints};
use super::hook_slow::HookDrop;
use super::ipt::{TableLoc, TablePoint, TablePoints};
use super::nft::{DropCause, NftPoints};

/// Where a value is at a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The value.
    pub value: &'static str,
    /// Where it is: a register, `[sp+0x10]`, `sp+0x10` (that address itself).
    pub at: String,
}

/// A place where a probe is put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Byte offset from the function's start.
    #[serde(skip)]
    pub offset: u32,
    /// The point.
    pub point: &'static str,
    /// What is where.
    pub holds: Vec<Held>,
}

impl Mark {
    fn new<const N: usize>(
        offset: u32,
        point: &'static str,
        holds: [(&'static str, Option<Loc>); N],
    ) -> Self {
        let held =
            |(value, at): (&'static str, Option<Loc>)| Some(Held { value, at: at?.to_string() });
        Self { offset, point, holds: holds.into_iter().filter_map(held).collect() }
    }
}

impl NftPoints {
    /// The probes' places in `nft_do_chain`; a point that was refused has none.
    pub fn marks(&self) -> Vec<Mark> {
        let mut out = Vec::new();
        let outcomes =
            [("BREAK", &self.no_match), ("CONTINUE", &self.matched), ("VERDICT", &self.verdict)];
        for (name, point) in outcomes {
            let Ok(point) = point else { continue };
            let h = &point.holds;
            let holds = [
                ("rule", Some(h.rule)),
                ("pkt", Some(h.pkt)),
                ("regs", Some(h.regs)),
                ("verdict", Some(h.verdict)),
                ("chain", h.chain),
                ("basechain", h.basechain),
                ("expr", h.expr),
            ];
            out.extend(point.probes.iter().map(|at| Mark::new(*at, name, holds)));
        }
        for drop in self.drops.iter().flatten() {
            let name = match drop.cause {
                DropCause::Rule => "rule drop",
                DropCause::Policy => "policy drop",
                DropCause::RuleOrPolicy => "drop",
                DropCause::Other => "other drop",
            };
            let holds = [
                ("rule", drop.rule),
                ("pkt", Some(drop.holds.pkt)),
                ("regs", Some(drop.holds.regs)),
                ("basechain", drop.holds.basechain),
            ];
            out.push(Mark::new(drop.probe, name, holds));
        }
        if let Ok(policy) = &self.policy {
            let holds = [("pkt", Some(policy.pkt)), ("basechain", Some(policy.basechain))];
            out.extend(policy.probes.iter().map(|at| Mark::new(*at, "POLICY", holds)));
        }
        out
    }

    /// What was refused, and why.
    pub fn refused(&self) -> Vec<String> {
        let refused = [
            ("BREAK", self.no_match.as_ref().err()),
            ("CONTINUE", self.matched.as_ref().err()),
            ("VERDICT", self.verdict.as_ref().err()),
            ("drops", self.drops.as_ref().err()),
            ("POLICY", self.policy.as_ref().err()),
        ];
        refused.into_iter().filter_map(|(name, why)| Some(format!("{name}: {}", why?))).collect()
    }
}

impl TablePoints {
    /// The probes' places in the table function.
    pub fn marks(&self) -> Vec<Mark> {
        let mark = |name, at: &TablePoint, verdict| {
            let (table, info) = match at.table {
                TableLoc::Table(at) => (Some(at), None),
                TableLoc::Info(at) => (None, Some(at)),
            };
            let holds = [
                ("entry", Some(at.entry)),
                ("skb", Some(at.skb)),
                ("table", table),
                ("info", info),
                ("param", Some(at.param)),
                ("verdict", verdict),
            ];
            Mark::new(at.probe, name, holds)
        };
        let verdict = Some(Loc::Reg(self.verdict_register));
        vec![mark("matched", &self.matched, None), mark("verdict", &self.verdict, verdict)]
    }
}

impl BridgePoints {
    /// The probes' places in `ebt_do_table`.
    pub fn marks(&self) -> Vec<Mark> {
        let mark = |name, value, at: &BridgePoint| {
            let holds = [
                (value, Some(at.entry)),
                ("skb", Some(at.skb)),
                (if at.table_beyond == 0 { "table" } else { "in table" }, Some(at.table)),
                ("param", Some(at.param)),
                ("verdict", Some(Loc::Reg(at.verdict))),
            ];
            Mark::new(at.probe, name, holds)
        };
        vec![mark("verdict", "entry", &self.verdict), mark("policy", "chain", &self.policy)]
    }
}

impl HookDrop {
    /// The probe's place in `nf_hook_slow`.
    pub fn mark(&self) -> Mark {
        let holds = [
            ("skb", Some(self.skb)),
            ("state", Some(self.state)),
            ("entries", Some(self.entries)),
            ("index", Some(self.index)),
        ];
        Mark::new(self.probe, "hook drop", holds)
    }
}
