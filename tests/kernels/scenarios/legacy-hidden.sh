# Where neither the modules' files nor the kernel's memory can be read, the
# functions of legacy tables are watched at their entry and return: table, hook
# and verdict are told, the rule is unknown, and why is said once.
# timeout: 180
topology
four() { within server iptables-legacy "$@"; }
six() { within server ip6tables-legacy "$@"; }
four -A INPUT -p udp --dport 9999 -j ACCEPT
four -A INPUT -p udp --dport 10000 -j DROP
four -A INPUT -p udp --dport 10001 -j REJECT
four -A INPUT -p udp --dport 10002 -j NFQUEUE --queue-num 5
four -t mangle -A PREROUTING -p udp --dport 10003 -j DROP
four -t raw -A PREROUTING -p udp --dport 10004 -j DROP
within client iptables-legacy -A OUTPUT -p udp --dport 10005 -j DROP
six -A INPUT -p ipv6-icmp -j ACCEPT
six -P INPUT DROP
arps=0
if within server arptables-legacy -A INPUT -s 10.0.0.77 -j DROP; then arps=4; fi

hide() { mount --bind /dev/null "/lib/modules/$(uname -r)/modules.dep" && mount --bind /dev/null /proc/kcore; }
show() { umount "/lib/modules/$(uname -r)/modules.dep" /proc/kcore; }
trap show EXIT
hide
nfscope_start
listen server udp 10.0.0.2:9999
send client udp 10.0.0.2:9999 --count 5
send client udp 10.0.0.2:10000 --count 2
send client udp 10.0.0.2:10001 --count 3
send client udp 10.0.0.2:10002 --count 4
send client udp 10.0.0.2:10003 --count 5
send client udp 10.0.0.2:10004 --count 2
send client udp 10.0.0.2:10005 --count 3
send client udp '[fd00::2]:10006' --count 4
[ $arps = 0 ] || send client arp eth0 10.0.0.2 10.0.0.77 --count $arps
nfscope_stop

expect_drops $((23 + arps)) cause.kind=xt_rule
# told COUNT FAMILY TABLE HOOK PORT NETNS
told() {
    expect_drops "$1" cause.kind=xt_rule cause.family="$2" cause.table="$3" cause.hook="$4" \
        packet.transport.destination="$5" netns.name="$6" backend=points
}
told 2 ip filter input 10000 server
told 3 ip filter input 10001 server
told 4 ip filter input 10002 server
told 5 ip mangle prerouting 10003 server
told 2 ip raw prerouting 10004 server
told 3 ip filter output 10005 client
told 4 ip6 filter input 10006 server
expect_drops 4 cause.verdict=queue
expect_drops $((19 + arps)) cause.verdict=drop
expect_drops $arps cause.family=arp cause.table=filter cause.hook=input packet.arp.sender=10.0.0.77
expect_drops 0 packet.transport.destination=9999
for key in '"number"' '"chain"' '"rule"'; do
    ! grep "xt_rule" "$EVENTS" | grep -q "$key" || fail "$key of a rule that nobody can know"
done

nfscope_run drops
send client udp 10.0.0.2:10000 --count 2
nfscope_stop
expect_text "dropped in table: iptables filter, hook input: rule unknown"
said=$(cat "$EVENTS" "$ERRORS" | grep -c "of ip_tables (legacy) tables and hooks are named, rules are not: ")
expect_equal "sentences about ip_tables" "$said" 1

# With the files to be read again, rules are named.
show
trap - EXIT
nfscope_start
send client udp 10.0.0.2:10000 --count 2
nfscope_stop
expect_drops 2 cause.kind=xt_rule cause.number=2 \
    "cause.rule=-A INPUT -p udp -m udp --dport 10000 -j DROP"
