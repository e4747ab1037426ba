# nf_tables is loaded while nfscope runs: nfscope does not load it, and from
# then on it names rules.
# architectures: amd64 arm64
# timeout: 120
# The scenarios before it have left nf_tables.
unload_nf_tables
topology 4
nfscope_start
! grep -qw ^nf_tables /proc/modules || fail "nfscope loaded nf_tables"
send client udp 10.0.0.2:10000
rules server <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop
    }
}
RULES
for try in {1..100}; do
    ! grep -q 'nf_tables was loaded' "$EVENTS" || break
    sleep 0.1
done
send client udp 10.0.0.2:10000 --count 3
nfscope_stop

expect_events lost 0
expect_drops 4
expect_drops 1 cause.kind=kernel packet.transport.destination=10000
expect_drops 3 cause.kind=nft_rule "cause.rule=udp dport 10000 drop" \
    packet.transport.destination=10000
