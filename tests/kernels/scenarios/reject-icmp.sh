# A reject with an ICMP error says what was sent.
topology
rules server <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 reject with icmp host-unreachable
    }
}
table ip6 filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 reject with icmpv6 admin-prohibited
    }
}
table inet both {
    chain input {
        type filter hook input priority 10; policy accept;
        udp dport 10001 reject with icmpx port-unreachable
    }
}
EOF
nfscope_start
send client udp 10.0.0.2:10000 --count 2
send client udp '[fd00::2]:10000' --count 3
send client udp 10.0.0.2:10001 --count 2
nfscope_stop

expect_drops 7 cause.kind=nft_rule
expect_drops 7 cause.kind=nft_rule cause.verdict=reject cause.hook=input
expect_drops 2 cause.family=ip cause.handle="$(handle server "icmp host-unreachable")" \
    "cause.sent=icmp host-unreachable"
expect_drops 3 cause.family=ip6 cause.handle="$(handle server "icmpv6 admin-prohibited")" \
    "cause.sent=icmpv6 admin-prohibited"
expect_drops 2 cause.family=inet "cause.sent~port-unreachable" packet.transport.destination=10001
