# A reject in the netdev family.
topology 4
chain='table netdev filter {
    chain ingress {
        type filter hook ingress device "eth0" priority 0; policy accept;
        udp dport 10000 reject with icmp port-unreachable
    }
}'
can_rules server "$chain" || skip "no reject in the netdev family"
rules server <<<"$chain"
wanted=$(handle server "reject")
nfscope_start
send client udp 10.0.0.2:10000 --count 3
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.family=netdev cause.handle="$wanted" cause.verdict=reject netns.name=server
