# The error that a reject sends is dropped by another rule while the rejected
# packet is still under way: each drop belongs to its own rule.
# architectures: amd64 arm64
topology 4
rules server <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 reject with icmp port-unreachable
        tcp dport 10000 reject with tcp reset
    }
    chain output {
        type filter hook output priority filter; policy accept;
        icmp type destination-unreachable drop
        tcp flags & rst == rst jump resets
    }
    chain resets {
        tcp sport 10000 drop
    }
}
EOF
outer=$(handle server "udp dport 10000 reject")
reset=$(handle server "reject with tcp reset")
error=$(handle server "icmp type destination-unreachable drop")
inner=$(handle server "tcp sport 10000 drop")
nfscope_start
send client udp 10.0.0.2:10000 --count 3
send client segment 10.0.0.2:10000 --flags S --count 2
nfscope_stop

expect_drops 10 cause.kind=nft_rule
expect_drops 3 cause.handle="$outer" cause.verdict=reject cause.hook=input packet.transport.protocol=udp
expect_drops 3 cause.handle="$error" cause.verdict=drop cause.hook=output packet.transport.protocol=icmp
expect_drops 2 cause.handle="$reset" cause.verdict=reject packet.transport.flags=S
expect_drops 2 cause.handle="$inner" cause.chain=resets cause.verdict=drop packet.transport.source=10000
