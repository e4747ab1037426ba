//! The programs' settings, as `struct config` of `drop.h` lays them out.

use super::Note;
use crate::nft::PointValues;

/// Byte offsets into nf_tables' and netfilter's structs (`struct nft_layout`).
#[derive(Debug, Clone, Copy, Default)]
pub struct NftOffsets {
    /// The fields in the order of `bpf/nft.h`.
    pub fields: [u32; 29],
}

/// Positions of `__nft_trace_packet`'s arguments; -1: not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceArguments {
    /// `const struct nft_pktinfo *`
    pub pkt: i32,
    /// `const struct nft_verdict *`
    pub verdict: i32,
    /// `const struct nft_rule_dp *`
    pub rule: i32,
    /// `struct nft_traceinfo *`
    pub info: i32,
    /// `enum nft_trace_types`
    pub kind: i32,
}

impl Default for TraceArguments {
    /// No such function: none of the arguments.
    fn default() -> Self {
        Self { pkt: -1, verdict: -1, rule: -1, info: -1, kind: -1 }
    }
}

/// `struct config`: constant once the programs are loaded.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Only this device's name, NUL-padded.
    pub only_device: Option<[u8; 16]>,
    /// Layouts.
    pub nft: NftOffsets,
    /// Values where only a rule's drop passes.
    pub rule_drop: PointValues,
    /// Values where only a policy's drop passes.
    pub policy_drop: PointValues,
    /// Values where every verdict passes.
    pub verdict: PointValues,
    /// Values where every policy decision passes.
    pub policy: PointValues,
    /// Values at the entry of an eval function.
    pub eval: PointValues,
    /// Arguments of the trace hook.
    pub trace: TraceArguments,
    /// Rules are told by `nft_do_chain`'s stack frame.
    pub frame_on: bool,
    /// Something leaves notes.
    pub notes_on: bool,
    /// `nft_do_chain` returns before the packet is freed.
    pub freed_after_return: bool,
    /// The tracepoint has a reason.
    pub has_reason: bool,
    /// Only this namespace.
    pub only_netns: Option<u32>,
    /// Bits of [`super::Note`] numbers.
    pub cause_mask: u32,
    /// Only this reason.
    pub reason: Option<u32>,
    /// A filter is in the program: bytes it looks at, whether it looks at MAC
    /// addresses, whether at VLAN tags.
    pub filter: Option<(u32, bool, bool)>,
    /// Bytes of a packet in a record, from the network header on.
    pub snap_bytes: u32,
    /// Walk the kernel stack.
    pub stack: bool,
    /// The self-test's namespace; 0: none.
    pub scratch_netns: u32,
}

impl Config {
    /// The bytes of `struct config`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(440);
        out.extend_from_slice(&self.only_device.unwrap_or_default());
        let mut word = |v: u32| out.extend_from_slice(&v.to_ne_bytes());
        self.nft.fields.into_iter().for_each(&mut word);
        for point in [&self.rule_drop, &self.policy_drop, &self.verdict, &self.policy, &self.eval] {
            point.words().into_iter().for_each(&mut word);
        }
        let t = &self.trace;
        for argument in [t.pkt, t.verdict, t.rule, t.info, t.kind] {
            word(argument.cast_unsigned());
        }
        let (filter_bytes, link, tag) = self.filter.unwrap_or_default();
        let all_causes = Note::ALL.iter().all(|note| self.cause_mask >> *note as u8 & 1 == 1);
        let choosy = !all_causes || self.reason.is_some() || self.only_netns.is_some();
        for v in [
            u32::from(self.frame_on),
            u32::from(self.notes_on),
            u32::from(self.freed_after_return),
            u32::from(self.has_reason),
            u32::from(choosy),
            self.only_netns.unwrap_or(0),
            u32::from(self.only_device.is_some()),
            self.cause_mask,
            self.reason.unwrap_or(0),
            u32::from(self.reason.is_some()),
            u32::from(self.filter.is_some()),
            filter_bytes,
            u32::from(link),
            u32::from(tag),
            self.snap_bytes,
            u32::from(self.stack),
            u32::from_ne_bytes(*b"%pS\0"),
            self.scratch_netns,
        ] {
            word(v);
        }
        // the struct is as aligned as its largest member
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object;

    #[test]
    fn programs_expect_these_settings() {
        let settings = Config::default().bytes();
        assert!(object::takes(object::compiled!("drop"), &settings));
        assert!(!object::takes(object::compiled!("drop"), &settings[..settings.len() - 4]));
    }
}
