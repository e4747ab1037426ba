# Drops behind jump and goto belong to the rule in the chain that was reached.
topology 4
rules server <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority filter; policy drop;
        udp dport 10000-10004 jump first
        udp dport 10002 drop
        accept
    }
    chain first {
        udp dport 10000 drop
        udp dport 10001 goto second
        udp dport 10002 return
        udp dport 10003 jump second
        udp dport 10004 goto third
    }
    chain second {
        udp dport 10001 drop
        udp dport 10003 goto third
    }
    chain third {
        udp dport 10003 drop
    }
}
EOF
nfscope_start
for port in 10000 10001 10002 10003 10004; do
    send client udp "10.0.0.2:$port" --count 2
done
nfscope_stop

expect_drops 8 cause.kind=nft_rule
expect_drops 0 cause.kind=nft_policy
for place in 10000:first 10001:second 10002:input 10003:third; do
    port=${place%:*}
    expect_drops 2 cause.kind=nft_rule cause.chain="${place#*:}" \
        cause.handle="$(handle server "udp dport $port drop")" \
        "cause.rule=udp dport $port drop" packet.transport.destination="$port"
done
# goto does not come back to `first`, but its caller goes on: accepted.
expect_drops 0 cause.kind=nft_rule packet.transport.destination=10004
