# Rules that do not match cost nothing: fifty of them, and the packet accepted,
# are at most two hits of a probe. Without legacy tables nothing is attached,
# and once there are any their rules are named.
# timeout: 120
# The scenarios before it have left tables.
for table in filter mangle raw nat security; do
    for family in ip ip6 arp; do
        modprobe -r ${family}table_$table 2>/dev/null || true
    done
done
! grep -qE '^(ip6?|arp)table_' /proc/modules || fail "tables stay"
topology 4
sysctl -qw kernel.bpf_stats_enabled=1
hits() {
    bpftool --json prog show | python3 -c '
import json, sys
programs = [p for p in json.load(sys.stdin) if p.get("name", "").startswith("at_table_")]
print(len(programs), sum(p.get("run_cnt", 0) for p in programs))'
}
nfscope_start --cause legacy
expect_equal "programs without tables" "$(hits)" "0 0"
! grep -qE '^(ip6?|arp)table_' /proc/modules || fail "nfscope loaded a table"
{
    echo '*filter'
    for port in {1..50}; do
        echo "-A OUTPUT -p udp --dport $port -j DROP"
    done
    echo 'COMMIT'
} | within client iptables-legacy-restore
for try in {1..100}; do
    [ "$(hits)" = "0 0" ] || break
    sleep 0.1
done
# the trial of the probes
settle
sleep 1
read -r programs before < <(hits)
listen server udp 10.0.0.2:10000
send client udp 10.0.0.2:10000 --count 10
read -r programs after < <(hits)
[ "$programs" -ge 2 ] || fail "nothing is attached"
[ $((after - before)) -ge 10 ] || fail "no probe was hit: $before, $after"
[ $((after - before)) -le 20 ] || fail "ten packets, $((after - before)) hits"
send client udp 10.0.0.2:50 --count 3
nfscope_stop
sysctl -qw kernel.bpf_stats_enabled=0

expect_drops 3
expect_drops 3 cause.kind=xt_rule cause.number=50 \
    "cause.rule=-A OUTPUT -p udp -m udp --dport 50 -j DROP"
