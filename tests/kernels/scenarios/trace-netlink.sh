# A packet's way by the kernel's netlink trace, with consent: what rules and policies
# say, and that the rest is not known. The ruleset is as before when nfscope ends.
# architectures: amd64 arm64
topology 4
rules server <<'END'
table inet filter {
    chain services {
        udp dport 10000 counter return
        udp dport 10001 drop
    }
    chain input {
        type filter hook input priority filter; policy accept;
        meta l4proto udp jump services
        udp dport 10002 reject
        udp dport 10003 counter
    }
}
table ip raw {
    chain pre {
        type filter hook prerouting priority raw; policy accept;
        udp dport 10003 counter
    }
}
END
before=$(within server nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//')
by="--backend netlink-trace --netns server"
! nfscope trace $by --duration 10ms >/dev/null 2>"$ERRORS" || fail "a table was made without consent"
expect_text "--allow-ruleset-change"
# 5.10 has no tables that go away with their owner
consent="--allow-ruleset-change --allow-leftover-table"
! nfscope trace $by $consent --all --duration 10ms >/dev/null 2>"$ERRORS" || fail "--all was accepted"
expect_text "does not tell rules that do not match"

# the same flow and so, for the kernel, often the same number: still packets of their own
nfscope_run trace --json $by $consent udp portrange 10000-10003
send client udp 10.0.0.2:10003 --count 5 --port 7000
send client udp 10.0.0.2:10001 --count 3 --port 7001
send client udp 10.0.0.2:10000
send client udp 10.0.0.2:10002
send client udp 10.0.0.2:10004
nfscope_stop
expect_events lost 0
expect_events trace 5 step=enter chain=pre hook=prerouting priority=-300 traversal=1 \
    packet.transport.source=7000 '!cpu' '!packet.skb'
expect_events trace 5 step=rule chain=pre "rule~udp dport 10003" verdict=continue traversal=1 sequence=2
expect_events trace 5 step=enter chain=input traversal=2 packet.transport.source=7000 in_device.name=eth0
expect_events trace 3 step=rule chain=services base_chain=input hook=input depth=1 verdict=drop \
    "rule=udp dport 10001 drop" '!elapsed_ns'
expect_events trace 1 step=rule chain=services verdict=return depth=1
expect_events trace 1 step=rule chain=input verdict=drop "sent~unreachable"
expect_events trace 16 step=policy verdict=accept
expect_events trace 0 packet_id=11
expect_events trace 0 packet.transport.destination=10004
expect_equal "the ruleset afterwards" \
    "$(within server nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//')" "$before"

# as text, at a device
nfscope_run trace $by $consent -i eth0 -c 1 udp port 10001
send client udp 10.0.0.2:10001
nfscope_wait
expect_text '  input  inet filter input, priority 0  eth0 in'
expect_text 'udp dport 10001 drop -> drop'
expect_text 'not what becomes of a packet'
