# Rules and policies of iptables-legacy and ip6tables-legacy: chain, number and
# line are those that the kernel and the programs themselves show, the counts
# those of the rules' own counters; nothing is changed by watching.
# timeout: 120
# architectures: amd64 arm64
topology
four() { within server iptables-legacy "$@"; }
six() { within server ip6tables-legacy "$@"; }
for sub in SUB GO; do four -N $sub; done
four -A INPUT -p udp --dport 9999 -j ACCEPT
four -A INPUT -p udp --dport 10001 -j SUB
four -A INPUT -p udp --dport 10002 -g GO
four -A INPUT -p udp --dport 10003 -j REJECT
four -A INPUT -p udp --dport 10004 -j MARK --set-mark 0
four -A INPUT -p udp --dport 10004 -m comment --comment "no way" -j DROP
four -A INPUT -p udp --dport 10005 -j NFQUEUE --queue-num 50005
four -A INPUT -p tcp --dport 10006 -j REJECT --reject-with tcp-reset
four -A SUB -s 10.0.0.9 -j DROP
four -A SUB -d 10.0.0.9 -j RETURN
four -A SUB ! -i lo -j DROP
four -A GO -s 10.0.0.9 -j RETURN
four -A GO -j DROP
four -P INPUT DROP
four -t mangle -A PREROUTING -p udp --dport 10007 -j DROP
four -t raw -A PREROUTING -p udp --dport 10008 -j DROP
six -A INPUT -p ipv6-icmp -j ACCEPT
six -A INPUT -p udp --dport 10001 -j DROP
six -A INPUT -p udp --dport 10002 -s fd00::/64 -j REJECT
six -P INPUT DROP
within client iptables-legacy -t filter -I OUTPUT 1 -p tcp -d 10.0.0.2/32 --dport 9080 -j DROP

# Without what changes by itself: the time, the built-in chains' counters.
dump() {
    for program in iptables-legacy-save ip6tables-legacy-save; do
        within server $program | sed '/^#/d; s/ \[.*//'
        within client $program | sed '/^#/d; s/ \[.*//'
    done
    cut -d" " -f1 /proc/modules | sort
}
# What printing itself loads is loaded before.
dump >/dev/null
nfscope_start
dump >"$W/before"
listen server udp 10.0.0.2:9999
send client udp 10.0.0.2:9999 --count 2
send client udp 10.0.0.2:10001 --count 3
send client udp 10.0.0.2:10002 --count 4
send client udp 10.0.0.2:10003 --count 5
send client udp 10.0.0.2:10004 --count 2
send client udp 10.0.0.2:10005 --count 3
send client segment 10.0.0.2:10006 --flags S
send client udp 10.0.0.2:10007 --count 2
send client udp 10.0.0.2:10008 --count 3
send client udp 10.0.0.2:10009 --count 4
send client udp '[fd00::2]:10001' --count 2
send client udp '[fd00::2]:10002' --count 3
send client udp '[fd00::2]:10003' --count 4
send client segment 10.0.0.2:9080 --flags S
settle
dump >"$W/after"
nfscope_stop
cmp "$W/before" "$W/after" || fail "the tables or modules have changed"

expect_events lost 0
# rules_of NAMESPACE PROGRAM FAMILY TABLE CHAIN: each rule that ends packets
rules_of() {
    local number packets target line
    while read -r number packets _ target _; do
        case $target in DROP | REJECT | NFQUEUE) ;; *) continue ;; esac
        line=$(within "$1" "$2" -t "$4" -S "$5" | sed -n "$((number + 1))p")
        [ "$packets" = 0 ] && continue
        expect_drops "$packets" cause.kind=xt_rule cause.family="$3" cause.table="$4" \
            cause.chain="$5" cause.number="$number" "cause.rule=$line" backend=points \
            netns.name="$1"
    done < <(within "$1" "$2" -t "$4" -nvxL "$5" --line-numbers | tail -n +3)
}
rules_of server iptables-legacy ip filter INPUT
rules_of server iptables-legacy ip filter SUB
rules_of server iptables-legacy ip filter GO
rules_of server iptables-legacy ip mangle PREROUTING
rules_of server iptables-legacy ip raw PREROUTING
rules_of server ip6tables-legacy ip6 filter INPUT
rules_of client iptables-legacy ip filter OUTPUT
expect_drops 29 cause.kind=xt_rule
expect_drops 3 cause.chain=SUB cause.number=3 packet.transport.destination=10001
expect_drops 2 cause.number=6 "cause.comment=no way" cause.verdict=drop
expect_drops 3 cause.number=7 cause.verdict=queue
expect_drops 5 cause.verdict=reject "cause.sent=icmp port-unreachable"
expect_drops 1 cause.verdict=reject "cause.sent=tcp reset"
expect_drops 3 cause.verdict=reject "cause.sent=icmpv6 port-unreachable"
expect_drops 4 cause.kind=xt_policy cause.family=ip cause.table=filter cause.chain=INPUT \
    cause.hook=input packet.transport.destination=10009
expect_drops 4 cause.kind=xt_policy cause.family=ip6 cause.chain=INPUT \
    packet.transport.destination=10003
expect_drops 1 cause.chain=OUTPUT cause.number=1 \
    "cause.rule=-A OUTPUT -d 10.0.0.2/32 -p tcp -m tcp --dport 9080 -j DROP"
