# A packet queued for a program that does not listen is dropped by its rule.
# architectures: amd64 arm64
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 queue to 40007
        udp dport 10001 queue flags bypass to 8
    }
}
EOF
wanted=$(handle server "udp dport 10000 queue")
nfscope_start
send client udp 10.0.0.2:10000 --count 3
send client udp 10.0.0.2:10001 --count 3
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.kind=nft_rule cause.handle="$wanted" cause.verdict=queue \
    "cause.rule~udp dport 10000 queue" packet.transport.destination=10000
expect_drops 0 cause.kind=nft_rule packet.transport.destination=10001
