//! What the kernel has made of a file's instructions in memory: alternatives, jump labels, ftrace, probes.

use std::collections::BTreeMap;

use nfscope_kernel::isa::{Arch, Flow, Shown};
use nfscope_kernel::modules::Reference;

/// Instructions in memory that stand in the place of a file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// These are there.
    Now(Vec<Shown>),
    /// It is part of what the one before it became.
    Covered,
}

/// The changed instructions, by offset.
pub(super) fn changes(
    arch: Arch,
    shown: &[Shown],
    (code, live): (&[u8], &[u8]),
    references: &BTreeMap<u32, Reference>,
) -> BTreeMap<u32, Change> {
    let same = |shown: &Shown| unchanged(arch, shown, code, live, references);
    let mut out = BTreeMap::new();
    let mut n = 0;
    while let Some(first) = shown.get(n) {
        if same(first) {
            n += 1;
            continue;
        }
        let mut at = first.offset;
        let mut now = Vec::new();
        // until an instruction of the file begins where one in memory ends, and is there unchanged
        while let Some(next) = one(arch, live, at) {
            at = next.end();
            let ends = ends_here(arch, live, &next);
            now.push(next);
            let behind = shown.partition_point(|shown| shown.offset < at);
            let meets = shown.get(behind).is_none_or(|shown| shown.offset == at && same(shown));
            if meets || ends {
                break;
            }
        }
        out.insert(first.offset, Change::Now(now));
        n += 1;
        while let Some(covered) = shown.get(n).filter(|shown| shown.offset < at) {
            out.insert(covered.offset, Change::Covered);
            n += 1;
        }
    }
    out
}

/// The instruction in memory at an offset.
pub(super) fn one(arch: Arch, live: &[u8], at: u32) -> Option<Shown> {
    let start = usize::try_from(at).ok()?;
    let bytes = live.get(start..live.len().min(start.saturating_add(15)))?;
    let shown = arch.show(bytes, 0).into_iter().next()?;
    let moved = |to: Option<i64>| to.map(|to| to.wrapping_add(i64::from(at)));
    Some(Shown { offset: at, branch: moved(shown.branch), data: moved(shown.data), ..shown })
}

/// Whether control never comes to what stands behind it: a probe's breakpoint or jump, over the rest of
/// instructions that run elsewhere.
fn ends_here(arch: Arch, live: &[u8], shown: &Shown) -> bool {
    matches!(flow(arch, live, shown), Some(Flow::Trap | Flow::Jump { .. } | Flow::Leave))
}

/// Where the instruction in memory goes.
pub(super) fn flow(arch: Arch, live: &[u8], shown: &Shown) -> Option<Flow> {
    decoded(arch, live, shown).map(|ins| ins.flow)
}

/// Whether the instruction in memory does nothing.
pub(super) fn is_nop(arch: Arch, live: &[u8], shown: &Shown) -> bool {
    decoded(arch, live, shown).is_some_and(|ins| ins.nop)
}

fn decoded(arch: Arch, live: &[u8], shown: &Shown) -> Option<nfscope_kernel::isa::Ins> {
    let bytes = live.get(shown.offset as usize..shown.end() as usize)?;
    arch.decode(bytes, |_, _| false).ok()?.into_iter().next()
}

/// Whether an instruction is in memory as in the file, but for what was relocated.
fn unchanged(
    arch: Arch,
    shown: &Shown,
    code: &[u8],
    live: &[u8],
    references: &BTreeMap<u32, Reference>,
) -> bool {
    let fields: Vec<_> = references.range(shown.offset..shown.end()).collect();
    // arm64's fields are bits of the whole instruction: what no relocation of its
    // kind fills is compared
    if arch == Arch::Aarch64 && !fields.is_empty() {
        let word = |bytes: &[u8]| {
            let bytes = bytes.get(shown.offset as usize..shown.end() as usize)?;
            bytes.try_into().ok().map(u32::from_le_bytes)
        };
        let (Some(file), Some(memory)) = (word(code), word(live)) else { return false };
        // b and bl have 26 bits; others leave at least the kind and a register
        let fixed = if file & 0x7c00_0000 == 0x1400_0000 { 0xfc00_0000 } else { 0x9f00_001f };
        return (file ^ memory) & fixed == 0;
    }
    (shown.offset..shown.end()).all(|at| {
        let relocated =
            fields.iter().any(|(from, to)| (**from..**from + u32::from(to.len)).contains(&at));
        relocated || code.get(at as usize) == live.get(at as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(code: &[u8], live: &[u8]) -> Vec<(u32, Option<Vec<String>>)> {
        let shown = Arch::X86_64.show(code, 0);
        let references = BTreeMap::new();
        changes(Arch::X86_64, &shown, (code, live), &references)
            .into_iter()
            .map(|(at, change)| match change {
                Change::Now(now) => (at, Some(now.into_iter().map(|now| now.text).collect())),
                Change::Covered => (at, None),
            })
            .collect()
    }

    #[test]
    fn alternatives_jumps_and_probes() {
        let now = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        // push; nopl; pop; ret
        let code = [0x55, 0x0f, 0x1f, 0x44, 0, 0, 0x5d, 0xc3];
        assert_eq!(changed(&code, &code), []);
        let jump = [0x55, 0xe9, 1, 0, 0, 0, 0x5d, 0xc3];
        assert_eq!(changed(&code, &jump), [(1, now(&["jmp"]))]);
        let int3 = [0x55, 0x0f, 0x1f, 0x44, 0, 0, 0xcc, 0xc3];
        assert_eq!(changed(&code, &int3), [(6, now(&["int3"]))]);
        // an optimized probe's jump over the first instruction and part of the second
        let probe = [0xe9, 1, 0, 0, 0, 0, 0x5d, 0xc3];
        assert_eq!(changed(&code, &probe), [(0, now(&["jmp"])), (1, None)]);
        // two short instructions for a long one
        let two = [0x55, 0x90, 0x90, 0x90, 0x90, 0x90, 0x5d, 0xc3];
        assert_eq!(changed(&code, &two), [(1, now(&["nop"; 5]))]);
    }
}
