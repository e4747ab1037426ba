//! Where `nft_do_chain`'s frame and registers are, by what was seen of known
//! packets.
//!
//! The trial's packets differ in what was called between choosing the rule and
//! dropping: a verdict of its own, one in a chain that was jumped to, one out
//! of a map. A place that holds the rule for all of them is not the remains of
//! one such call. And they differ in who called `nft_do_chain`, whose frames
//! lie there too.

use super::seen::{ANCHOR, Seen, WORDS};
use crate::drop::{NftOffsets, Note};
use crate::nft::Trial;

/// `FRAME_WAYS`
pub const WAYS: usize = 2;
/// The function that frees.
const FUNCTION: &str = "nft_do_chain+";
/// A rule's handle has 42 bits.
const HANDLE_BITS: u64 = (1 << 42) - 1;
/// `NFT_REG_1` in `struct nft_regs`, in bytes: what a rule loads first.
const FIRST_REGISTER: i64 = 16;
/// Positions in `struct nft_layout`.
const RULE_WORD: usize = 0;
const RULE_SHIFT: usize = 1;
const CHAIN_TABLE: usize = 2;
const CHAIN_HANDLE: usize = 3;
const PKT_SKB: usize = 12;
const EXPR_OPS: usize = 26;

/// `struct frame_layout` of `frame.h`. All distances in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameLayout {
    rule_site: u64,
    policy_site: u64,
    ways: [Way; WAYS],
    regs: i64,
    immediate: u64,
}

/// `struct frame_way`: distances from the anchor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Way {
    end: i64,
    rule: i64,
    pkt: i64,
    chain: i64,
    expr: i64,
}

impl FrameLayout {
    /// As the program has it; `show`: it is to show the stack of the trial's
    /// packets.
    pub fn bytes(&self, show: bool) -> Vec<u8> {
        let ways = self.ways.iter().flat_map(|w| [w.end, w.rule, w.pkt, w.chain, w.expr]);
        let words = [u64::from(show), self.rule_site, self.policy_site]
            .into_iter()
            .chain(ways.chain([self.regs]).map(i64::cast_unsigned))
            .chain([self.immediate]);
        words.flat_map(u64::to_ne_bytes).collect()
    }

    /// From what was seen of the trial's packets on each way; a sentence if it
    /// cannot be found.
    pub fn find(ways: &[Vec<Seen>], trials: &[Trial], nft: &NftOffsets) -> Result<Self, String> {
        let mut found: Option<Self> = None;
        for (n, seen) in ways.iter().take(WAYS).enumerate() {
            let this = Self::of_way(&Drops::of(seen, trials)?, nft)?;
            let whole = found.get_or_insert(this);
            if (whole.rule_site, whole.policy_site) != (this.rule_site, this.policy_site)
                || whole.regs != this.regs
            {
                return Err("nft_do_chain's frame looks different with each packet".into());
            }
            // a way that was not seen is like the first
            whole.ways[n..].fill(this.ways[0]);
        }
        found.ok_or_else(|| "no packet was seen".into())
    }

    fn of_way(drops: &Drops<'_>, nft: &NftOffsets) -> Result<Self, String> {
        let offset = |position: usize| nft.fields[position];
        let from_anchor = |n: usize| (n as i64 - ANCHOR as i64) * 8;
        let all = |_: &Trial| true;
        let by_rule = |trial: &Trial| trial.note == Note::Rule;
        let rule = drops.place("the rule", by_rule, |seen, trial, n| {
            let word = seen.pointed(n, offset(RULE_WORD));
            word.is_some_and(|w| w >> offset(RULE_SHIFT) & HANDLE_BITS == trial.handle)
        })?;
        let pkt = drops.place("the packet", all, |seen, _, n| {
            seen.pointed(n, offset(PKT_SKB)) == Some(seen.skb)
        })?;
        // the same for all packets of one family, and older than its rules
        let (first, _) = drops.list.first().ok_or("no packet was seen")?;
        let oldest = |of: &Trial| {
            let same = drops.list.iter().filter(|(_, t)| t.other_caller == of.other_caller);
            same.map(|(_, t)| t.handle).filter(|h| *h > 0).min().unwrap_or(1)
        };
        let chain = drops.place("the base chain", all, |seen, trial, n| {
            let handle = seen.pointed(n, offset(CHAIN_HANDLE)).unwrap_or(0);
            (seen.words[n] == first.words[n]) != trial.other_caller
                && (1..oldest(trial)).contains(&handle)
                && seen.pointed(n, offset(CHAIN_TABLE)).is_some_and(is_kernel)
        })?;
        // where that is not known registers are copied for nothing
        let immediate = drops.immediate(offset(EXPR_OPS), rule);
        let [rule_site, policy_site] = [drops.site(Note::Rule)?, drops.site(Note::Policy)?];
        Ok(Self {
            rule_site,
            policy_site,
            ways: [Way {
                end: from_anchor(drops.end),
                rule: from_anchor(rule),
                pkt: from_anchor(pkt),
                chain: from_anchor(chain),
                expr: immediate.map_or(0, |(expr, _)| from_anchor(expr)),
            }; WAYS],
            regs: drops.registers()?,
            immediate: immediate.map_or(0, |(_, ops)| ops),
        })
    }
}

/// Whether it looks like an address of the kernel: with five levels of page
/// tables the least is `0xff00_0000_0000_0000`.
fn is_kernel(address: u64) -> bool {
    address >> 56 == 0xff
}

/// The trial's drops in `nft_do_chain`, each with what it must have been.
struct Drops<'s> {
    list: Vec<(&'s Seen, &'s Trial)>,
    /// Which word is the return address into the function.
    end: usize,
}

impl<'s> Drops<'s> {
    fn of(seen: &'s [Seen], trials: &'s [Trial]) -> Result<Self, String> {
        let trials: Vec<&Trial> = trials.iter().filter(|t| t.note != Note::None).collect();
        let inside: Vec<&Seen> = seen.iter().filter(|s| s.name.starts_with(FUNCTION)).collect();
        if inside.is_empty() {
            let place = seen.first().map_or("a place that was not seen", |s| &s.name);
            return Err(format!("dropped packets are not freed in nft_do_chain, but in {place}"));
        }
        if inside.len() != trials.len() {
            return Err(format!(
                "{} of the trial's {} drops were seen",
                inside.len(),
                trials.len()
            ));
        }
        let list: Vec<_> = inside.into_iter().zip(trials).collect();
        // copies of the address lie below, in the frames of what it called
        let is_end =
            |n: &usize| list.iter().all(|(seen, _)| (seen.words[*n] ^ seen.location) << 16 == 0);
        let end =
            (0..WORDS).rev().find(is_end).ok_or("nft_do_chain's return address was not found")?;
        Ok(Self { list, end })
    }

    /// Where all such packets are freed.
    fn site(&self, note: Note) -> Result<u64, String> {
        let mut sites = self.list.iter().filter(|(_, t)| t.note == note).map(|(s, _)| s.location);
        let site = sites.next().ok_or("no packet was seen")?;
        sites.all(|other| other == site).then_some(site).ok_or_else(|| {
            "packets of one kind are freed at more than one place in nft_do_chain".into()
        })
    }

    /// All words, those nearest to the return address first: further down lie
    /// the remains of other calls.
    fn nearest(&self) -> Vec<usize> {
        let mut words: Vec<usize> = (0..WORDS).collect();
        words.sort_by_key(|n| n.abs_diff(self.end));
        words
    }

    /// The word nearest to the return address that fits all packets of a kind.
    fn place(
        &self,
        what: &str,
        kind: impl Fn(&Trial) -> bool,
        fits: impl Fn(&Seen, &Trial, usize) -> bool,
    ) -> Result<usize, String> {
        let of_kind: Vec<_> = self.list.iter().filter(|(_, trial)| kind(trial)).collect();
        self.nearest()
            .into_iter()
            .find(|n| of_kind.iter().all(|(seen, trial)| fits(seen, trial, *n)))
            .ok_or_else(|| format!("where nft_do_chain keeps {what} was not found"))
    }

    /// Where the expression is that gave the verdict, and the operations of
    /// those whose verdict stands in the rule: two of the trial's rules, but
    /// not the one with the map.
    fn immediate(&self, ops: u32, rule: usize) -> Option<(usize, u64)> {
        let rules: Vec<_> = self.list.iter().filter(|(_, t)| t.note == Note::Rule).collect();
        let found = |n: usize| {
            let inside = |seen: &Seen| {
                seen.words[n] > seen.words[rule] && seen.words[n] - seen.words[rule] < 4096
            };
            let each: Vec<u64> = rules
                .iter()
                .map(|(seen, _)| seen.pointed(n, ops).filter(|_| inside(seen)))
                .collect::<Option<_>>()?;
            match each[..] {
                [one, two, map, ref others @ ..]
                    if one == two && one != map && others.iter().all(|o| *o == one) =>
                {
                    is_kernel(one).then_some((n, one))
                }
                _ => None,
            }
        };
        self.nearest().into_iter().find_map(found)
    }

    /// Each rule has loaded the packet's port into the first register.
    fn registers(&self) -> Result<i64, String> {
        let rules: Vec<_> = self.list.iter().filter(|(_, t)| t.note == Note::Rule).collect();
        let start = self.end * 8;
        (start..WORDS * 8)
            .step_by(4)
            .find(|at| rules.iter().all(|(s, t)| s.half_word(*at) == Some(t.port.to_be_bytes())))
            .map(|at| (at - start) as i64 - FIRST_REGISTER)
            .ok_or_else(|| "where nft_do_chain keeps its registers was not found".into())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
