//! Names of hooks.

const NFPROTO_ARP: u8 = 3;
const NFPROTO_NETDEV: u8 = 5;

/// The hook's name as nft spells it, from the traversal's protocol family and
/// hook number (`include/uapi/linux/netfilter.h`, `netfilter_arp.h`,
/// `netfilter_bridge.h`).
pub fn name(pf: u8, hook: u8) -> Option<&'static str> {
    Some(match (pf, hook) {
        (NFPROTO_NETDEV, 0) => "ingress",
        (NFPROTO_NETDEV, 1) => "egress",
        (NFPROTO_ARP, 0) => "input",
        (NFPROTO_ARP, 1) => "output",
        (NFPROTO_ARP, 2) => "forward",
        (NFPROTO_NETDEV | NFPROTO_ARP, _) => return None,
        (_, 0) => "prerouting",
        (_, 1) => "input",
        (_, 2) => "forward",
        (_, 3) => "output",
        (_, 4) => "postrouting",
        (_, 5) => "ingress",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_other_hooks_in_other_families() {
        assert_eq!(name(2, 1), Some("input"));
        assert_eq!(name(5, 1), Some("egress"));
        assert_eq!(name(3, 0), Some("input"));
        assert_eq!(name(2, 9), None);
    }
}
