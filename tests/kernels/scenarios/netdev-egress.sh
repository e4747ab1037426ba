# A rule of the netdev family drops at a device's egress.
topology 4
chain='table netdev filter {
    chain egress {
        type filter hook egress device "eth0" priority 0; policy accept;
        udp dport 10000 drop
    }
}'
can_rules client "$chain" || skip "no egress hook"
rules client <<<"$chain"
wanted=$(handle client "udp dport 10000 drop")
nfscope_start
send client udp 10.0.0.2:10000 --count 3
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.family=netdev cause.table=filter cause.chain=egress cause.hook=egress \
    cause.handle="$wanted" "cause.rule=udp dport 10000 drop" netns.name=client \
    packet.transport.destination=10000
