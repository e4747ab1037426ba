//! Kernels without drop reasons (before 5.17): which functions drop.
//!
//! There `kfree_skb` frees dropped and used packets alike, and the tracepoint
//! says only which function called it. This table holds the functions of 5.10
//! whose every call of `kfree_skb` gives a packet up; it was made from the
//! list of callers in a 5.10 kernel's machine code and from their source.
//!
//! Not in it, though packets are dropped there too, because others that were
//! used end there as well: `icmpv6_rcv` (neighbour discovery), `igmp_rcv`,
//! `br_stp_rcv`, `tcp_v6_do_rcv` (saved options), `kfree_skb_list` and
//! `skb_release_data` (fragment lists), `net_tx_action` and drivers (sent
//! packets), `packet_rcv` and `tpacket_rcv` (a packet socket's own copy),
//! netlink and unix sockets, purged socket queues.
//!
//! A function that jumps to `kfree_skb` as its last act is seen as its caller,
//! so some entries stand for the functions that they call last.

/// What it means that this function gave a packet to `kfree_skb`: a sentence
/// in the form of [`super::reasons::Explanation::sentence`]. `None`: it is not
/// known to be a drop. Compiler suffixes (`.constprop.0`) do not matter.
pub fn known_drop(function: &str) -> Option<&'static str> {
    let name = function.split('.').next().unwrap_or_default();
    TABLE.iter().find(|(names, _)| names.contains(&name)).map(|(_, sentence)| *sentence)
}

#[rustfmt::skip] // names, then the sentence
const TABLE: &[(&[&str], &str)] = &[
    // net/netfilter/core.c, nf_queue.c
    (&["nf_hook_slow"],
     "a netfilter hook dropped it"),
    (&["nf_queue"],
     "a rule queues it and nobody listens on the queue, or the queue is full"),
    (&["nf_reinject"],
     "the program that reads the netfilter queue said drop"),
    // net/core/dev.c
    (&["__netif_receive_skb_core"],
     "nothing here handles its ethertype, or a tc filter on the device's input dropped it"),
    (&["enqueue_to_backlog"],
     "the CPU's receive queue is full (net.core.netdev_max_backlog)"),
    (&["flush_backlog"],
     "its device went away while it waited in the CPU's receive queue"),
    (&["netif_receive_generic_xdp", "do_xdp_generic", "generic_xdp_tx"],
     "an XDP program dropped it, or its redirect failed"),
    (&["__dev_queue_xmit", "sch_handle_egress"],
     "a tc filter or BPF program on the device's output dropped it"),
    (&["validate_xmit_skb", "validate_xmit_xfrm"],
     "it could not be made ready for the device: VLAN tag, segmentation, checksum or encryption"),
    (&["__dev_forward_skb"],
     "the device it was handed to is down, or it is larger than that device's MTU"),
    (&["skb_vlan_untag", "vlan_do_receive"],
     "its VLAN tag could not be taken off"),
    (&["gro_cells_receive"],
     "the tunnel device is down or its receive queue is full (net.core.netdev_max_backlog)"),
    (&["blackhole_netdev_xmit"],
     "its device went away"),
    // net/sched/sch_generic.c, sch_fq_codel.c
    (&["pfifo_fast_reset", "pfifo_fast_change_tx_queue_len"],
     "the device's send queue was emptied: the device went down or the queue was replaced"),
    (&["fq_codel_dequeue"],
     "the send queue's congestion control (CoDel) dropped it"),
    // net/core/filter.c, lwtunnel.c
    (&["skb_do_redirect", "__bpf_redirect"],
     "a BPF program's redirect failed: the target device is gone, down, or leads back"),
    (&["lwtunnel_input", "lwtunnel_output", "lwtunnel_xmit"],
     "its route's encapsulation is not supported"),
    // net/core/neighbour.c, net/ipv4/arp.c, net/ipv6/ndisc.c
    (&["__neigh_event_send"],
     "the next hop's MAC address is not known, and the packet could not wait for it"),
    (&["neigh_invalidate", "arp_error_report", "ndisc_error_report"],
     "nobody answers for the next hop's address (ARP or neighbour discovery)"),
    (&["__neigh_update", "neigh_destroy", "neigh_flush_dev"],
     "it waited for the next hop's MAC address until the neighbour entry was given up"),
    (&["neigh_blackhole"],
     "the next hop's neighbour entry was just being removed"),
    (&["neigh_resolve_output", "neigh_connected_output", "neigh_hh_output", "neigh_xmit"],
     "the link header for the next hop could not be made"),
    (&["neigh_proxy_process", "pneigh_queue_purge", "pneigh_enqueue"],
     "a request that was to be answered for another host (proxy ARP) was given up"),
    (&["arp_rcv"],
     "the ARP packet is malformed"),
    (&["arp_process"],
     "the ARP packet is invalid, or its device has no IPv4"),
    // net/core/dst.c, net/ipv4/route.c, net/ipv6/route.c
    (&["dst_discard", "dst_discard_out"],
     "its route is a blackhole, or was removed in the meantime"),
    (&["ip_error"],
     "there is no route, the route says unreachable, prohibit or blackhole, or forwarding is off"),
    (&["ip6_pkt_drop"],
     "there is no route, or the route says unreachable, prohibit or blackhole"),
    // net/ipv4/ip_input.c, ip_forward.c
    (&["ip_rcv_core"],
     "it is for another host's MAC address, or its IPv4 header is wrong"),
    (&["ip_rcv_finish_core"],
     "the routing decision refused it: reverse path filter, impossible address, or no route"),
    (&["ip_protocol_deliver_rcu", "ip_local_deliver_finish", "ip_local_deliver"],
     "nothing here handles this IP protocol, or an IPsec policy refuses it"),
    (&["ip_forward"],
     "it could not be forwarded: the TTL ran out, it exceeds the MTU, or an IPsec policy refuses it"),
    // net/ipv4/ip_output.c
    (&["__ip_queue_xmit"],
     "no route to the destination"),
    (&["ip_finish_output", "__ip_finish_output", "ip_mc_finish_output",
       "ip6_finish_output", "__ip6_finish_output"],
     "a BPF program of the sender's cgroup rejected it, or it could not be segmented"),
    (&["ip_finish_output2"],
     "no neighbour entry could be made for the next hop, or there was no memory"),
    (&["ip_mc_output"],
     "a multicast packet with TTL 0, which must not leave this host"),
    (&["ip_fragment"],
     "it is larger than the MTU of its way out and may not be fragmented"),
    (&["ip_do_fragment", "ip6_fragment"],
     "it could not be fragmented: larger than the MTU and not allowed to, or no memory"),
    // net/ipv4/ip_fragment.c, inet_fragment.c, net/ipv6/reassembly.c
    (&["ip_defrag", "ipv6_frag_rcv"],
     "a fragment that is invalid, known already, or one too many (ipfrag_high_thresh)"),
    (&["ip_expire", "ip6_frag_expire", "inet_frag_rbtree_purge"],
     "the packet's other fragments did not come in time"),
    // net/ipv4/icmp.c, ping.c
    (&["icmp_rcv"],
     "the ICMP message is wrong or not wanted: checksum, type, or an echo to a broadcast address"),
    (&["ping_queue_rcv_skb", "raw_rcv_skb", "rawv6_rcv_skb"],
     "a raw or ping socket could not take its copy: its receive buffer is full, or its filter said no"),
    (&["raw_rcv", "rawv6_rcv"],
     "a raw socket's copy has a wrong checksum, or an IPsec policy refuses it"),
    // net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c
    (&["tcp_v4_rcv", "tcp_v6_rcv"],
     "no socket listens on this port, the connection is over, or checksum or policy refuse it"),
    (&["tcp_v4_do_rcv"],
     "the TCP segment does not fit the connection's state, or its checksum is wrong"),
    // net/ipv4/udp.c, net/ipv6/udp.c
    (&["__udp4_lib_rcv", "__udp6_lib_rcv", "udp_rcv", "udpv6_rcv"],
     "no socket listens on this port, or the UDP length or checksum is wrong"),
    (&["udp_queue_rcv_one_skb", "udp_queue_rcv_skb", "__udp_queue_rcv_skb",
       "udpv6_queue_rcv_one_skb", "udpv6_queue_rcv_skb"],
     "the socket's receive buffer is full, or its filter, a policy or the checksum refuse it"),
    (&["udp_recvmsg", "udpv6_recvmsg", "__first_packet_length"],
     "its UDP checksum is wrong, seen when the program read it"),
    (&["udp_send_skb", "udp_v6_send_skb"],
     "the message could not be cut into segments as the program asked (UDP_SEGMENT)"),
    // net/ipv6/ip6_input.c, ip6_output.c, exthdrs.c
    (&["ip6_rcv_core"],
     "it is for another host's MAC address, IPv6 is disabled, or its IPv6 header is wrong"),
    (&["ip6_protocol_deliver_rcu", "ip6_input_finish", "ip6_input"],
     "nothing here handles this protocol, or an IPsec policy refuses it"),
    (&["ip6_mc_input"],
     "nobody here has joined this multicast group"),
    (&["ip6_forward"],
     "it could not be forwarded: hop limit, MTU, source address, IPsec policy, or forwarding is off"),
    (&["ip6_output"],
     "IPv6 is disabled on the device"),
    (&["ip6_finish_output2"],
     "no neighbour entry could be made for the next hop, or a multicast packet must not leave this host"),
    (&["ip6_xmit"],
     "it is larger than the MTU and may not be fragmented, or there was no memory"),
    (&["inet6_csk_xmit"],
     "no route to the destination"),
    (&["ip6_parse_tlv", "ipv6_parse_hopopts", "ipv6_hop_ra", "ipv6_hop_jumbo",
       "ipv6_hop_calipso", "ipv6_dest_hao", "ipv6_destopt_rcv", "ipv6_rthdr_rcv"],
     "an IPv6 extension header is malformed or not accepted"),
    // net/ipv4/ipmr.c, net/ipv6/ip6mr.c
    (&["ip_mr_input", "ip_mr_forward", "ipmr_queue_xmit", "ipmr_cache_unresolved",
       "ip6_mr_input", "ip6_mr_forward", "ip6mr_forward2", "ip6mr_cache_unresolved"],
     "multicast routing has no way for it"),
    // net/xfrm, net/ipv4/xfrm4_*.c, net/ipv6/xfrm6_*.c
    (&["xfrm_input", "xfrm_output", "xfrm_output_resume", "xfrm4_rcv_encap", "xfrm6_rcv_encap",
       "xfrm4_esp_rcv", "xfrm6_esp_rcv", "xfrm4_ah_rcv", "xfrm6_ah_rcv", "xfrm4_udp_encap_rcv",
       "xfrm6_udp_encap_rcv", "__xfrm6_output", "xdst_queue_output"],
     "IPsec could not decrypt, encrypt or place it: see /proc/net/xfrm_stat"),
    // net/bridge
    (&["br_handle_frame"],
     "a netfilter hook of the bridge (prerouting) dropped it, or the bridge port does not forward"),
    (&["br_handle_frame_finish", "br_pass_frame_up", "br_allowed_ingress", "br_handle_vlan"],
     "the bridge port does not forward yet, or does not have this VLAN"),
    (&["br_flood", "br_multicast_flood", "br_forward", "__br_forward", "br_dev_queue_push_xmit"],
     "the bridge has no port to send it to, or it is larger than that port's MTU"),
    (&["br_nf_pre_routing_finish", "br_nf_pre_routing_finish_ipv6", "br_nf_dev_queue_xmit"],
     "a bridged packet could not be routed after its address was changed, or not be fragmented"),
    // drivers/net
    (&["veth_xmit"],
     "the other end of the veth pair is gone"),
    (&["tun_net_xmit"],
     "no program has the tun or tap device open, its queue is full, or its filter said no"),
    (&["vxlan_rcv", "vxlan_xmit", "vxlan_xmit_one", "geneve_udp_encap_recv"],
     "the tunnel has no device for its network id, no remote end, or its header is wrong"),
    (&["ip_tunnel_rcv", "ip_tunnel_xmit", "ip_md_tunnel_xmit", "gre_rcv", "__ipgre_rcv",
       "ipip_tunnel_rcv", "ipip_tunnel_xmit", "ipgre_xmit", "gre_tap_xmit"],
     "the tunnel does not accept it, or has no route to its remote end"),
    (&["wg_xmit", "wg_receive"],
     "WireGuard has no peer or no key for it, or it is no WireGuard packet"),
    // net/sctp/input.c
    (&["sctp_rcv"],
     "no SCTP endpoint or association takes it, or its checksum is wrong"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_known_whatever_the_compiler_calls_them() {
        assert_eq!(known_drop("nf_hook_slow"), Some("a netfilter hook dropped it"));
        assert!(known_drop("ip_rcv_finish_core.constprop.0").is_some());
        assert!(known_drop("__ip6_finish_output.part.0").is_some());
    }

    #[test]
    fn places_where_used_packets_end_are_not() {
        let used = "packet_rcv tpacket_rcv icmpv6_rcv igmp_rcv kfree_skb_list skb_release_data \
                    net_tx_action netlink_unicast unix_dgram_sendmsg tcp_v6_do_rcv br_stp_rcv \
                    skb_queue_purge inet_sock_destruct";
        for function in used.split_whitespace().chain(["", ".constprop.0"]) {
            assert_eq!(known_drop(function), None, "{function}");
        }
    }

    #[test]
    fn names_are_unique_and_sentences_have_one_form() {
        let mut seen = std::collections::HashSet::new();
        for (names, sentence) in TABLE {
            assert!(names.iter().all(|name| seen.insert(name)), "{names:?} twice");
            assert!(!sentence.ends_with('.') && sentence.len() <= 110, "{sentence}");
        }
    }
}
