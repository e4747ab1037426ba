# The rule is found by the function that the kernel's tracing calls.
# architectures: amd64 arm64
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        tcp dport 10000 drop
        udp dport 10001 accept
        udp dport 10003 reject
    }
}
EOF
wanted=$(handle server "tcp dport 10000 drop")
nfscope_start --backend trace-hook
send client segment 10.0.0.2:10000 --flags S --count 2 --port 4000
send client udp 10.0.0.2:10001 --count 3
send client udp 10.0.0.2:10002 --count 4
send client udp 10.0.0.2:10003 --count 5
nfscope_stop

expect_drops 7 cause.kind=nft_rule backend=trace_hook
expect_drops 2 cause.kind=nft_rule cause.handle="$wanted" "cause.rule=tcp dport 10000 drop" \
    packet.transport.destination=10000
expect_drops 5 cause.kind=nft_rule cause.verdict=reject packet.transport.destination=10003
expect_drops 4 backend=trace_hook cause.kind=nft_policy cause.chain=input \
    packet.transport.destination=10002
