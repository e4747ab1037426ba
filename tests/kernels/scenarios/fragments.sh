# Fragments behind the first have no ports.
topology 4
rules server <<'EOF'
table netdev pieces {
    chain ingress {
        type filter hook ingress device "eth0" priority 0; policy accept;
        ip frag-off & 0x1fff != 0 drop
    }
}
EOF
nfscope_start
send client udp 10.0.0.2:10000 --size 4000
nfscope_stop

expect_drops 2 cause.kind=nft_rule cause.family=netdev
expect_drops 1 cause.kind=nft_rule packet.ip.fragment_offset=1480 '!packet.transport'
expect_drops 1 cause.kind=nft_rule packet.ip.fragment_offset=2960 '!packet.transport'
