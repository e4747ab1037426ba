# A rule of the ip6 family drops at input.
topology
rules server <<'EOF'
table ip6 filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop
    }
}
EOF
wanted=$(handle server "udp dport 10000 drop")
nfscope_start
send client udp '[fd00::2]:10000' --count 3
send client udp 10.0.0.2:10001
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.family=ip6 cause.table=filter cause.chain=input cause.handle="$wanted" \
    "cause.rule=udp dport 10000 drop" packet.ip.source=fd00::1 packet.ip.destination=fd00::2 \
    packet.ethertype=34525 packet.transport.destination=10000
