# The way of packets through two namespaces: chains, rules, jumps, verdicts,
# what became of them, and the rules that did not match, by both backends.
# timeout: 150
topology 4
rules client <<'EOF'
table inet out {
    chain output {
        type filter hook output priority 10; policy accept;
        udp dport 10001 meta mark set 5
    }
}
EOF
rules server <<'EOF'
table ip filter {
    chain sub {
        ip saddr 10.0.0.1 counter
        udp dport 10000 drop
        udp dport 10001 return
    }
    chain other {
        udp dport 10002 accept
    }
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000-10002 jump sub
        udp dport 10002 goto other
        udp dport vmap { 10003 : accept, 10004 : drop }
        udp dport 10005 reject
        udp dport 10006 queue num 40003
    }
}
EOF
listen server udp 10.0.0.2:10001

# way BACKEND: what each backend has to tell
way() {
    local backend=$1
    nfscope_run trace --json --all --backend "$backend" udp
    for port in 10000 10001 10002 10003 10004 10005 10006; do
        send client udp "10.0.0.2:$port"
    done
    nfscope_stop

    # Each packet enters two chains, whatever becomes of it.
    expect_events trace 7 step=enter hook=output table=out priority=10 netns.name=client \
        out_device.name=eth0
    expect_events trace 7 step=enter hook=input chain=input netns.name=server in_device.name=eth0 \
        backend="${backend/-/_}"
    expect_events trace 7 step=sent device.name=eth0
    expect_events trace 7 step=policy verdict=accept table=out
    # one rule matches without a verdict
    expect_events trace 1 step=rule verdict=continue chain=output depth=0 \
        handle="$(handle client "mark set")"
    expect_events trace 1 step=enter hook=input packet.transport.destination=10001 packet.mark=0
    expect_events trace 3 step=rule verdict=jump target=sub depth=0 chain=input hook=input
    expect_events trace 3 step=rule verdict=continue depth=1 chain=sub base_chain=input \
        handle="$(handle server "saddr 10.0.0.1")"
    expect_events trace 1 step=rule verdict=drop depth=1 chain=sub 'rule=udp dport 10000 drop' 'elapsed_ns>=1'
    expect_events trace 1 step=rule verdict=return depth=1 'rule=udp dport 10001 return'
    expect_events trace 1 step=end depth=1 chain=sub
    expect_events trace 1 step=rule verdict=goto target=other depth=0
    expect_events trace 1 step=rule verdict=accept chain=other depth=0 base_chain=input
    expect_events trace 1 step=rule verdict=accept 'element=10003 : accept'
    expect_events trace 1 step=rule verdict=drop 'element=10004 : drop'
    expect_events trace 1 step=rule verdict=drop sent~port-unreachable
    expect_events trace 1 step=rule verdict=queue queue=40003
    expect_events trace 1 step=policy table=filter chain=input verdict=accept
    # three by rules, two find no socket, one no listener on the queue
    expect_events trace 3 step=dropped decided=true
    expect_events trace 3 step=dropped decided=false
    expect_events trace 1 step=delivered socket.family=inet
    expect_events trace 0 step=missing
    expect_events lost 0

    # rules that do not match: all but the traced ones, in their order, once each
    expect_events trace 6 step=no_match chain=output table=out
    expect_events trace 2 step=no_match chain=sub 'rule=udp dport 10000 drop'
    expect_events trace 1 step=no_match chain=sub 'rule=udp dport 10001 return' depth=1 base_chain=input
    expect_events trace 4 step=no_match chain=input "handle=$(handle server "jump sub")" 'expression>=1'
    expect_events trace 5 step=no_match chain=input "handle=$(handle server "goto other")"
    expect_events trace 3 step=no_match chain=input "handle=$(handle server "vmap")"
    expect_events trace 2 step=no_match chain=input "handle=$(handle server "reject")"
    expect_events trace 1 step=no_match chain=input "handle=$(handle server "queue")"
}
way points
way trace-hook
