# Packets that no rule decides are dropped by their chain's policy.
router_topology
rules router <<'EOF'
table ip one {
    chain forward {
        type filter hook forward priority 0; policy drop;
        udp dport 10001 accept
        udp dport 10003 jump empty
    }
    chain empty {
        udp dport 1 accept
        return
    }
}
table inet two {
    chain input {
        type filter hook input priority 5; policy drop;
    }
}
EOF
nfscope_start
send client udp 10.0.1.2:10001
send client udp 10.0.1.2:10002 --count 2
send client udp 10.0.1.2:10003 --count 3
send client udp 10.0.0.254:10004 --count 4
nfscope_stop

expect_drops 0 cause.kind=nft_rule
expect_drops 0 cause.kind=nft_policy packet.transport.destination=10001
expect_drops 2 cause.kind=nft_policy cause.family=ip cause.table=one cause.chain=forward \
    cause.hook=forward cause.policy=drop packet.transport.destination=10002
expect_drops 3 cause.kind=nft_policy cause.table=one cause.chain=forward \
    packet.transport.destination=10003
expect_drops 4 cause.kind=nft_policy cause.family=inet cause.table=two cause.chain=input \
    cause.hook=input cause.priority=5 packet.transport.destination=10004
