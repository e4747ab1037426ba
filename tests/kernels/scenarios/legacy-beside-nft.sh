# Rules of nftables and of iptables-legacy beside each other; nf_tables is
# loaded while nfscope runs, and legacy rules are named before and after.
# timeout: 120
unload_nf_tables
topology 4
within server iptables-legacy -A INPUT -p udp --dport 10000 -j DROP
within server iptables-legacy -A INPUT -p udp --dport 10001 -j REJECT
nfscope_start
send client udp 10.0.0.2:10000 --count 2
settle
rules server <<'RULES'
table ip filter {
    chain input {
        type filter hook input priority filter + 1; policy accept;
        udp dport 10002 drop
    }
}
RULES
for try in {1..100}; do
    ! grep -q 'nf_tables was loaded' "$EVENTS" || break
    sleep 0.1
done
send client udp 10.0.0.2:10000 --count 3
send client udp 10.0.0.2:10001 --count 4
send client udp 10.0.0.2:10002 --count 5
nfscope_stop

expect_events lost 0
expect_drops 14
expect_drops 5 cause.kind=xt_rule cause.number=1 \
    "cause.rule=-A INPUT -p udp -m udp --dport 10000 -j DROP"
expect_drops 4 cause.kind=xt_rule cause.number=2 cause.verdict=reject
expect_drops 5 cause.kind=nft_rule "cause.rule=udp dport 10002 drop"
