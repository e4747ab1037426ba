# One rule of the inet family drops IPv4 and IPv6.
topology
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport { 10000, 10001 } drop
    }
}
EOF
wanted=$(handle server "udp dport { 10000, 10001 } drop")
nfscope_start
send client udp 10.0.0.2:10000 --count 2
send client udp '[fd00::2]:10001' --count 3
nfscope_stop

expect_drops 5 cause.kind=nft_rule cause.family=inet cause.handle="$wanted" \
    "cause.rule=udp dport { 10000, 10001 } drop"
expect_drops 2 cause.kind=nft_rule packet.ip.destination=10.0.0.2 packet.transport.destination=10000
expect_drops 3 cause.kind=nft_rule packet.ip.destination=fd00::2 packet.transport.destination=10001
