//! The programs' settings, as `struct config` of `trace.h` lays them out.

use super::programs::Points;
use crate::drop::{NftOffsets, TraceArguments};

/// `struct config`: constant once the programs are loaded.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Only this device's name, NUL-padded.
    pub only_device: Option<[u8; 16]>,
    /// Layouts.
    pub nft: NftOffsets,
    /// Arguments of the trace hook.
    pub trace: TraceArguments,
    /// Values at the probe points.
    pub points: Points,
    /// Tell the rules that do not match; `true`: with nftables' registers.
    pub misses: Option<bool>,
    /// Only this namespace.
    pub only_netns: Option<u32>,
    /// Only what this process sends.
    pub only_pid: Option<u32>,
    /// A filter is in the program: bytes it looks at, whether it looks at MAC
    /// addresses, whether at VLAN tags.
    pub filter: Option<(u32, bool, bool)>,
    /// Bytes of a packet in a record, from the network header on.
    pub snap_bytes: u32,
    /// Once selected, a packet stays selected.
    pub follow: bool,
    /// `skb:kfree_skb` has a reason.
    pub has_reason: bool,
    /// `skb:consume_skb` has a location.
    pub has_place: bool,
    /// Whether process context can be told from softirq.
    pub context_known: bool,
    /// Bytes in the ring that wake user space.
    pub wake_bytes: u32,
}

impl Config {
    /// The bytes of `struct config`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        out.extend_from_slice(&self.only_device.unwrap_or_default());
        let mut word = |v: u32| out.extend_from_slice(&v.to_ne_bytes());
        self.nft.fields.into_iter().for_each(&mut word);
        let t = &self.trace;
        for argument in [t.pkt, t.verdict, t.rule, t.info, t.kind] {
            word(argument.cast_unsigned());
        }
        let p = &self.points;
        for point in [&p.verdict, &p.matched, &p.missed] {
            point.words().into_iter().for_each(&mut word);
        }
        p.missed_expr.words().into_iter().for_each(&mut word);
        let (filter_bytes, link, tag) = self.filter.unwrap_or_default();
        for v in [
            u32::from(self.misses.is_some()),
            u32::from(self.misses == Some(true)),
            self.only_netns.unwrap_or(0),
            u32::from(self.only_device.is_some()),
            u32::from(self.filter.is_some()),
            filter_bytes,
            u32::from(link),
            u32::from(tag),
            self.snap_bytes,
            u32::from(self.follow),
            u32::from(self.has_reason),
            u32::from(self.has_place),
            u32::from(self.context_known),
            self.wake_bytes,
            self.only_pid.unwrap_or(0),
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
        assert!(object::takes(object::compiled!("trace"), &settings));
        assert!(!object::takes(object::compiled!("trace"), &settings[..settings.len() - 4]));
    }
}
