# A verdict map without a name drops; the element that hit is named.
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport vmap { 10000 : drop, 10001 : accept, 10002 : drop }
    }
}
EOF
wanted=$(handle server "udp dport vmap")
nfscope_start
send client udp 10.0.0.2:10000 --count 2
send client udp 10.0.0.2:10001 --count 3
send client udp 10.0.0.2:10002 --count 4
nfscope_stop

expect_drops 6 cause.kind=nft_rule
expect_drops 6 cause.kind=nft_rule cause.handle="$wanted" cause.verdict=verdict_map \
    "cause.rule=udp dport vmap { 10000 : drop, 10001 : accept, 10002 : drop }"
expect_drops 2 cause.kind=nft_rule "cause.element=10000 : drop" packet.transport.destination=10000
expect_drops 4 cause.kind=nft_rule "cause.element=10002 : drop" packet.transport.destination=10002
