# Why each rule did not match: the condition, what it wanted, what the packet
# had; and a filter that takes other packets sees nothing.
# timeout: 150
topology 4
rules server <<'EOF'
table ip filter {
    set blocked {
        type ipv4_addr
        elements = { 192.0.2.1, 192.0.2.2, 192.0.2.3 }
    }
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport 10000 accept
        udp dport 9090 accept
        iifname "lo" accept
        ct state established,related accept
        ip saddr @blocked drop
        meta mark 0x10 accept
        udp dport 10000-10010 drop
    }
}
EOF
# why BACKEND
why() {
    nfscope_run trace --json --why --backend "$1" udp dst port 9080
    send client udp 10.0.0.2:9080
    send client udp 10.0.0.2:9081
    nfscope_stop
    expect_events trace 7 step=no_match chain=input registers why.reason
    expect_events trace 1 'rule=tcp dport 10000 accept' 'why.reason~udp'
    expect_events trace 1 'rule=udp dport 9090 accept' 'why.condition=udp dport 9090' \
        why.wanted=9090 why.actual=9080
    expect_events trace 1 'rule~iifname' why.wanted~lo why.actual~eth0
    expect_events trace 1 'rule~ct state' why.actual=new
    expect_events trace 1 'rule~@blocked' why.actual=10.0.0.1 'why.reason~3 elements'
    expect_events trace 1 'rule~mark' 'why.condition~mark'
    expect_events trace 1 'rule=udp dport 10000-10010 drop' why.actual=9080
    expect_events trace 1 step=enter packet.transport.destination=9080
    expect_events trace 0 step=missing
}
why points
why trace-hook
