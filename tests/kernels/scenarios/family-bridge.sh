# A rule of the bridge family drops what passes through a bridge.
bridge_topology
rules switch <<'EOF'
table bridge filter {
    chain forward {
        type filter hook forward priority filter; policy accept;
        ip saddr 10.0.0.1 udp dport 10000 drop
    }
}
EOF
wanted=$(handle switch "udp dport 10000 drop")
nfscope_start
send client udp 10.0.0.2:10000 --count 3
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.family=bridge cause.table=filter cause.chain=forward cause.hook=forward \
    cause.handle="$wanted" "cause.rule=ip saddr 10.0.0.1 udp dport 10000 drop" \
    netns.name=switch in_device.name=left out_device.name=right packet.transport.destination=10000
