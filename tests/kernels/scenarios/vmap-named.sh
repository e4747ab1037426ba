# A named verdict map drops; the element that hit is named, also one that was
# added while nfscope watched.
topology 4
rules server <<'EOF'
table inet filter {
    map ports {
        type inet_service : verdict
        elements = { 10000 : drop, 10001 : jump more }
    }
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport vmap @ports
    }
    chain more {
        ip saddr vmap { 10.0.0.1 : drop }
    }
}
EOF
wanted=$(handle server "udp dport vmap @ports")
inner=$(handle server "ip saddr vmap")
nfscope_start
send client udp 10.0.0.2:10000 --count 2
send client udp 10.0.0.2:10001 --count 3
# What a map held before it was listed nobody knows.
for try in {1..100}; do
    [ "$(grep -c '"type":"drop"' "$EVENTS")" -lt 5 ] || break
    sleep 0.1
done
within server nft add element inet filter ports '{ 10002 : drop }'
send client udp 10.0.0.2:10002 --count 4
nfscope_stop

expect_drops 9 cause.kind=nft_rule cause.verdict=verdict_map
expect_drops 2 cause.handle="$wanted" cause.chain=input "cause.rule=udp dport vmap @ports" \
    "cause.element=10000 : drop"
expect_drops 3 cause.handle="$inner" cause.chain=more "cause.element=10.0.0.1 : drop"
expect_drops 4 cause.handle="$wanted" "cause.element=10002 : drop"
