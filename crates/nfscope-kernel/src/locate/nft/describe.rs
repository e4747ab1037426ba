//! Points as text: one line each.

use std::fmt;

use super::{DropCause, Holds, How, NftPoints, Point, PolicyPoint, Refusal};

impl fmt::Display for NftPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        outcome(f, "BREAK", &self.no_match)?;
        outcome(f, "CONTINUE", &self.matched)?;
        outcome(f, "VERDICT", &self.verdict)?;
        match &self.drops {
            Err(refusal) => writeln!(f, "drops     refused: {refusal}")?,
            Ok(drops) if drops.is_empty() => {
                writeln!(
                    f,
                    "drops     none: this kernel frees a dropped packet outside nft_do_chain"
                )?;
            }
            Ok(drops) => {
                for drop in drops {
                    let name = match drop.cause {
                        DropCause::Rule => "rule drop",
                        DropCause::Policy => "policy",
                        DropCause::RuleOrPolicy => "drop",
                        DropCause::Other => "other",
                    };
                    write!(f, "{name:9} +{:<#6x} returns +{:#x} ", drop.probe, drop.returns)?;
                    if let Some(rule) = drop.rule {
                        write!(f, " rule={rule}")?;
                    }
                    write!(f, " pkt={} regs={}", drop.holds.pkt, drop.holds.regs)?;
                    match drop.holds.basechain {
                        Some(basechain) => writeln!(f, " basechain={basechain}")?,
                        None => writeln!(f)?,
                    }
                }
            }
        }
        match &self.policy {
            Ok(PolicyPoint { probes, pkt, basechain }) => {
                write!(f, "POLICY    ")?;
                for probe in probes {
                    write!(f, "+{probe:<#6x} ")?;
                }
                writeln!(f, "pkt={pkt} basechain={basechain}")?;
            }
            Err(refusal) => writeln!(f, "POLICY    refused: {refusal}")?,
        }
        match &self.eval_entry {
            Some(entry) => {
                write!(f, "eval      rule={}", entry.rule.name())?;
                if let Some(basechain) = entry.basechain {
                    write!(f, " basechain={basechain}")?;
                }
                writeln!(f, " at the entry of every expression ({} calls agree)", self.eval_calls)
            }
            None => writeln!(
                f,
                "eval      the rule is in no register at all {} calls of expressions",
                self.eval_calls
            ),
        }
    }
}

fn outcome(f: &mut fmt::Formatter<'_>, name: &str, point: &Result<Point, Refusal>) -> fmt::Result {
    let point = match point {
        Ok(point) => point,
        Err(refusal) => return writeln!(f, "{name:9} refused: {refusal}"),
    };
    match point.site.or(point.probes.first().copied()) {
        Some(at) => write!(f, "{name:9} +{at:<#6x} ")?,
        None => write!(f, "{name:9} ")?,
    }
    let how = match point.how {
        How::Before => "before:",
        How::Split => "split:",
    };
    write!(f, "{how}")?;
    for (n, probe) in point.probes.iter().enumerate() {
        write!(f, "{} +{probe:#x}", if n == 0 { "" } else { "," })?;
    }
    let Holds { rule, pkt, regs, verdict, chain, basechain, expr } = &point.holds;
    write!(f, "  rule={rule} pkt={pkt} regs={regs} verdict={verdict}")?;
    for (name, loc) in [("chain", chain), ("basechain", basechain), ("expr", expr)] {
        if let Some(loc) = loc {
            write!(f, " {name}={loc}")?;
        }
    }
    writeln!(f)
}
