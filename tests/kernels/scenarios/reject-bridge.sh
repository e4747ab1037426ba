# A reject in the bridge family.
bridge_topology
chain='table bridge filter {
    chain prerouting {
        type filter hook prerouting priority filter; policy accept;
        udp dport 10000 reject with icmp port-unreachable
    }
}'
can_rules switch "$chain" || skip "no reject in the bridge family"
rules switch <<<"$chain"
wanted=$(handle switch "reject")
nfscope_start
send client udp 10.0.0.2:10000 --count 3
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.family=bridge cause.handle="$wanted" cause.verdict=reject netns.name=switch
