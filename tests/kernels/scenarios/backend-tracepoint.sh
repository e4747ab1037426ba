# The drop tracepoint alone names no rule, but every drop.
# architectures: amd64 arm64
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport 10000 drop
    }
}
EOF
nfscope_start --backend tracepoint
send client segment 10.0.0.2:10000 --flags S --count 2
nfscope_stop

expect_drops 2 backend=tracepoint netns.name=server packet.transport.destination=10000
expect_drops 0 cause.kind=nft_rule
