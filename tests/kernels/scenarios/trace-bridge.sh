# A bridge with br_netfilter: a frame passes the bridge's chains, and from within
# them those of ip. One tree holds both, in the order of the kernel's own trace,
# by both backends; a packet that an ip chain drops is gone for the bridge, too.
# timeout: 400
# kernels: 5.10 6.12 7.2
modprobe br_netfilter || skip "no br_netfilter"
# Loaded, it would send all bridges' frames through ip's hooks.
trap 'rmmod br_netfilter' EXIT
bridge_topology
within switch sysctl -qw net.bridge.bridge-nf-call-iptables=1
rules switch <<'RULES'
table bridge switch {
    chain traced {
        type filter hook prerouting priority -500; policy accept;
        ip protocol udp meta nftrace set 1
    }
    chain prerouting {
        type filter hook prerouting priority 100; policy accept;
        ip protocol udp counter
    }
    chain forward {
        type filter hook forward priority 100; policy accept;
        udp dport 10002 drop
    }
    chain postrouting {
        type filter hook postrouting priority 400; policy accept;
    }
}
table ip router {
    chain prerouting {
        type filter hook prerouting priority -300; policy accept;
    }
    chain ports {
        udp dport 10001 drop
        ip saddr 10.0.0.1 counter
    }
    chain forward {
        type filter hook forward priority 0; policy accept;
        meta l4proto udp jump ports
    }
    chain postrouting {
        type filter hook postrouting priority 100; policy accept;
    }
}
RULES
listen server udp 10.0.0.2:10000

monitor_trace switch
# way BACKEND PORT: one packet; nfscope's decisions are the kernel's
way() {
    nfscope_run trace --json --backend "$1" udp
    send client udp "10.0.0.2:$2"
    nfscope_stop
    trees --whole
    expect_decisions switch
    expect_events lost 0
}
for backend in points trace-hook; do
    way "$backend" 10000
    expect_events trace 1 step=delivered netns.name=server
    # ip's chains stand between the bridge's that come before and behind br_netfilter
    expect_equal "the order of the chains" \
        "$(sed -n 's/.*"step":"enter".*"family":"\([a-z]*\)".*"hook":"\([a-z]*\)".*/\1 \2/p' \
            "$EVENTS" | uniq | paste -sd,)" \
        "bridge prerouting,ip prerouting,bridge prerouting,ip forward,bridge forward,bridge postrouting,ip postrouting"
    way "$backend" 10001
    expect_events trace 1 step=rule family=ip verdict=drop depth=1 chain=ports
    expect_events trace 1 step=dropped decided=true
    expect_events trace 0 step=enter family=bridge hook=postrouting
    way "$backend" 10002
    expect_events trace 1 step=rule family=bridge verdict=drop
    expect_events trace 1 step=dropped decided=true
done
within switch nft list chain ip router ports >"$W/ports"
grep -q 'counter packets 4' "$W/ports" || fail "the kernel counted: $(cat "$W/ports")"
