# A burst of packets: with a filter that takes 1 in 1,000 none of those is lost,
# and their trees are whole. With one that takes all and a ring that is too small
# the loss is counted, and no tree with a hole looks whole.
# timeout: 500
# kernels: 5.10 6.12 7.2
topology 4
rules server <<'RULES'
table ip filter {
    chain ports {
        udp dport 10007 counter drop comment "rare"
        udp dport 10000 counter drop comment "common"
    }
    chain input {
        type filter hook input priority filter; policy accept;
        meta l4proto udp jump ports
    }
}
RULES
# counted COMMENT: packets that the kernel counted for a rule since the last reset
counted() {
    within server nft list ruleset | sed -n "s/.*counter packets \([0-9]*\).*comment \"$1\".*/\1/p"
}

# 100,000 packets
burst() {
    for _ in $(seq 100); do
        send client udp 10.0.0.2:10000 --count 999 >/dev/null
        send client udp 10.0.0.2:10007 >/dev/null
    done
}
nfscope_run trace --json --netns server udp dst port 10007
burst
nfscope_stop
trees --whole
expect_equal "rare packets of the kernel" "$(counted rare)" 100
expect_equal "common packets of the kernel" "$(counted common)" 99900
expect_events trace 100 step=rule verdict=drop depth=1 comment=rare
expect_events trace 100 step=dropped decided=true
expect_events trace 0 step=missing
expect_events lost 0

for run in points:100000 trace-hook:5000; do
    nfscope_run trace --json --netns server --ring-size 16K --backend ${run%:*} udp dst port 10000
    send client udp 10.0.0.2:10000 --count ${run#*:}
    nfscope_stop
    # whatever lacks something says so; some have a hole, some came through
    trees | grep ', 0 not ended' || fail "packets without an end that say nothing"
    expect_events lost 1+ place=ring
    expect_events trace 1+ step=missing 'count>=1'
    expect_events trace 1+ step=rule verdict=drop
done
