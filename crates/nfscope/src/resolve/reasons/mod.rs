//! The kernel's drop reasons in plain words, and what to do about them.
//!
//! The names are those of `enum skb_drop_reason` (include/net/dropreason-core.h;
//! 5.17 to 6.3: include/linux/skbuff.h, include/net/dropreason.h), of 5.17 to
//! 7.2, and of the subsystems' own lists (net/mac80211/drop.h,
//! net/openvswitch/drop.h, include/net/dropreason-qdisc.h). Numbers differ from
//! kernel to kernel and are never used here.
//!
//! In hints, DEV, SOURCE and DEST stand for the packet's device and addresses.

mod device;
mod ip;
mod subsystem;
mod tcp;

/// What a drop reason means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// One sentence for a person, to stand behind the name: lower case, no
    /// full stop.
    pub sentence: &'static str,
    /// What to look at or do next.
    pub hint: Option<&'static str>,
}

/// Name, sentence, hint (empty: none).
type Row = (&'static str, &'static str, &'static str);

/// Explains a reason by the kernel's name for it, without the prefix
/// `SKB_DROP_REASON_`; a subsystem's reason by its full name, as
/// `OVS_DROP_METER`. `None` for a name that no known kernel has.
pub fn explain(reason: &str) -> Option<Explanation> {
    [tcp::ROWS, ip::ROWS, device::ROWS, subsystem::ROWS]
        .into_iter()
        .flatten()
        .find(|(name, _, _)| *name == reason)
        .map(|(_, sentence, hint)| Explanation {
            sentence,
            hint: (!hint.is_empty()).then_some(*hint),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `bpftool btf dump file /sys/kernel/btf/vmlinux` of Debian's kernels 6.1,
    /// 6.12, 6.18 and 7.2: the values of `enum skb_drop_reason` without prefix,
    /// and of `enum ovs_drop_reason` and `enum qdisc_drop_reason`.
    const NAMES: &str = include_str!("names.txt");

    fn rows() -> impl Iterator<Item = &'static Row> {
        [tcp::ROWS, ip::ROWS, device::ROWS, subsystem::ROWS].into_iter().flatten()
    }

    #[test]
    fn every_reason_of_these_kernels_has_a_sentence() {
        let missing: Vec<&str> = NAMES.lines().filter(|name| explain(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(NAMES.lines().count() > 140);
    }

    #[test]
    fn names_are_unique_and_sentences_have_one_form() {
        let mut seen = std::collections::HashSet::new();
        for (name, sentence, hint) in rows() {
            assert!(seen.insert(name), "{name} twice");
            assert!(!sentence.ends_with('.') && !hint.ends_with('.'), "{name}: full stop");
            assert!(!sentence.is_empty() && sentence.len() <= 100, "{name}: {sentence}");
            assert!(hint.len() <= 190, "{name}: {} {hint}", hint.len());
        }
    }

    #[test]
    fn the_common_ones_have_hints() {
        assert!(rows().filter(|(_, _, hint)| !hint.is_empty()).count() >= 60);
        for name in ["NO_SOCKET", "NETFILTER_DROP", "IP_RPFILTER", "NEIGH_FAILED", "QDISC_DROP"] {
            assert!(explain(name).unwrap().hint.is_some(), "{name}");
        }
        assert_eq!(explain("NO_SUCH_REASON"), None);
        assert_eq!(explain(""), None);
    }
}
