# Random rules of iptables-legacy and ip6tables-legacy and random packets: each
# rule that matched is what the kernel's own TRACE logs, in its order and packet
# by packet, and as often as its counter says; then without TRACE by the counters.
# timeout: 500
# each family has a trial of its own, which takes its time on a busy machine
NFSCOPE_PATIENCE=90
seed=${SEED:-7}
echo "seed $seed"
modprobe nf_log_syslog 2>/dev/null || modprobe -a nf_log_ipv4 nf_log_ipv6
dmesg -n 1
router_topology
for name in client router server; do
    for device in $(ip -n $name -br link | sed -n 's/^\([a-z0-9]*\)[@ ].*/\1/p'); do
        within $name sysctl -qw "net.ipv6.conf.$device.disable_ipv6=0"
    done
done
within router sysctl -qw net.ipv6.conf.all.forwarding=1
links client <<'LINKS'
addr add fd00::2/64 dev eth0 nodad
route add default via fd00::1
LINKS
links server <<'LINKS'
addr add fd00:1::2/64 dev eth0 nodad
route add default via fd00:1::1
LINKS
links router <<'LINKS'
addr add fd00::1/64 dev left nodad
addr add fd00:1::1/64 dev right nodad
LINKS
# Nothing is sent but the packets of the test: each neighbour is known, and a TCP
# connection, with nobody listening, is over at once.
mac() { ip -n "$1" -br link show "$2" | awk '{ print $3 }'; }
neighbour() { # NAME DEVICE MAC ADDRESS…
    local address
    for address in "${@:4}"; do
        ip -n "$1" neigh replace "$address" dev "$2" lladdr "$3" nud permanent
    done
}
neighbour client eth0 "$(mac router left)" 10.0.0.254 fd00::1
neighbour router left "$(mac client eth0)" 10.0.0.1 fd00::2
neighbour router right "$(mac server eth0)" 10.0.1.2 fd00:1::2
neighbour server eth0 "$(mac router right)" 10.0.1.254 fd00:1::1

# near: addresses that rules look up; seen: those that rules have put in
for family in 4 6; do
    kind=inet
    [ $family = 4 ] || kind=inet6
    within router ipset create near$family hash:ip family $kind
    within router ipset create seen$family hash:ip family $kind
done
within router ipset add near4 10.0.0.1
within router ipset add near6 fd00::2

# rules_with ARGUMENTS…: the tables, all of a family at once
rules_with() {
    nfscope-guest legacy rules --seed "$seed" "$@" >"$W/four"
    nfscope-guest legacy rules --seed "$seed" --ipv6 "$@" >"$W/six"
    within router iptables-legacy-restore "$W/four" || fail "not taken: $W/four"
    within router ip6tables-legacy-restore "$W/six" || fail "not taken: $W/six"
}
traffic() {
    within client nfscope-guest legacy traffic --seed "$seed" --packets "$1" \
        10.0.1.2 10.0.0.254 fd00:1::2 fd00::1
    within router nfscope-guest legacy traffic --seed "$((seed + 1))" --packets "$(($1 / 3))" \
        10.0.1.2 fd00:1::2 127.0.0.1
    sleep 1
}
counters() {
    local table
    for table in raw mangle nat filter security; do
        echo "@ ip $table"
        within router iptables-legacy -t $table -nvxL --line-numbers
        echo "@ ip6 $table"
        within router ip6tables-legacy -t $table -nvxL --line-numbers
    done >"$W/counters"
}
# compare ARGUMENTS…
compare() {
    nfscope-guest legacy compare "$EVENTS" --netns router --counters "$W/counters" "$@"
}

# the tables' modules are there before anything is compared
rules_with
sysctl -qw net.netfilter.nf_log_all_netns=1
cat /dev/kmsg >"$W/kmsg" &
reader=$!
nfscope_run trace --json --ring-size 16M --netns router
rules_with --trace
sleep 1
traffic 100
counters
nfscope_stop
kill $reader
sysctl -qw net.netfilter.nf_log_all_netns=0
[ "$(grep -c '^-A' "$W/four")" -ge 150 ] || fail "only $(grep -c '^-A' "$W/four") rules"
compare --kernel "$W/kmsg" --least 2000 || fail "with TRACE"
! compare --kernel "$W/kmsg" --one-off || fail "the comparison does not see a wrong number"

nfscope_run trace --json --ring-size 16M --netns router
rules_with
sleep 1
traffic 150
counters
nfscope_stop
compare --least 2000 || fail "without TRACE"
! compare --one-off 2>/dev/null || fail "the comparison does not see a wrong count"
for family in ip ip6; do
    expect_events trace 1+ step=table_rule family=$family target=SET "rule~-j SET --add-set seen" \
        verdict=continue
    expect_events trace 1+ step=table_rule family=$family "rule~--match-set "
done
