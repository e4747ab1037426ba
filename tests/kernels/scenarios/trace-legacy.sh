# A packet's way through the tables of iptables-legacy and ip6tables-legacy,
# without nf_tables and beside it: tables, rules, jumps, gotos, returns, ends of
# chains, policies, with the numbers and lines that the programs themselves show.
# timeout: 480
# each family has a trial of its own, which takes its time on a busy machine
NFSCOPE_PATIENCE=90
unload_nf_tables
topology
four() { within server iptables-legacy "$@"; }
six() { within server ip6tables-legacy "$@"; }
for chain in one two three; do four -N $chain; done
four -A INPUT -i lo -j DROP
four -A INPUT -p udp --dport 10001:10003 -j one
four -A INPUT -p udp --dport 10004 -m comment --comment "no way" -j REJECT
four -A INPUT -p udp --dport 10005
four -A INPUT -p udp --dport 10005 -j MARK --set-mark 7
four -A one -p udp --dport 10001 -j two
four -A one -p udp --dport 10002 -g two
four -A one -p udp --dport 10003 -j RETURN
four -A one -j DROP
four -A two -p udp --dport 10001 -j RETURN
four -A two -j three
four -A three -s 10.9.9.9 -j ACCEPT
four -P INPUT DROP
four -t raw -A PREROUTING -p udp -j ACCEPT
six -A INPUT -p udp --dport 10001 -j ACCEPT
! grep -q '^nf_tables ' /proc/modules || fail "nf_tables was loaded"

nfscope_run trace --json udp port 10001
listen server udp '[fd00::2]:10001'
send client udp 10.0.0.2:10001
send client udp '[fd00::2]:10001'
nfscope_stop
! grep -q '^nf_tables ' /proc/modules || fail "nfscope loaded nf_tables"
expect_events lost 0
expect_events notice 0

steps() { # FAMILY TABLE: the steps in a table, a line each
    python3 -c '
import json, sys
family, table = sys.argv[2:]
inside = None
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e.get("step") == "enter_table" and e["family"] == family and e["table"] == table and e["hook"] == "input":
        inside = e["packet_id"]
        print("enter", e["chain"], e.get("in_device", {}).get("name"), e["netns"].get("name"))
    elif inside == e.get("packet_id") and e.get("table") == table and e.get("hook") == "input":
        if e["step"] == "table_rule":
            print(e["depth"], e["chain"], e["number"], e["verdict"], e.get("target"), e["rule"])
        elif e["step"] == "table_end":
            print(e["depth"], e["chain"], "end")
        elif e["step"] == "table_policy":
            print(e["chain"], "policy", e["verdict"], "timed" if e["elapsed_ns"] > 0 else "")
' "$EVENTS" "$1" "$2"
}
expect_equal "the way of 10001" "$(steps ip filter)" "enter INPUT eth0 server
0 INPUT 2 jump one -A INPUT -p udp -m udp --dport 10001:10003 -j one
1 one 1 jump two -A one -p udp -m udp --dport 10001 -j two
2 two 1 return RETURN -A two -p udp -m udp --dport 10001 -j RETURN
1 one 4 drop DROP -A one -j DROP"
expect_equal "the way by IPv6" "$(steps ip6 filter)" "enter INPUT eth0 server
0 INPUT 1 accept ACCEPT -A INPUT -p udp -m udp --dport 10001 -j ACCEPT"
expect_events trace 1 step=dropped decided=true
expect_events trace 1 step=delivered
expect_events trace 1 step=table_rule table=raw hook=prerouting chain=PREROUTING number=1 verdict=accept

nfscope_run trace --json udp
for port in 10002 10003 10004 10005; do
    send client udp 10.0.0.2:$port
done
nfscope_stop
expect_equal "the ways of 10002 to 10005" "$(steps ip filter)" "enter INPUT eth0 server
0 INPUT 2 jump one -A INPUT -p udp -m udp --dport 10001:10003 -j one
1 one 2 goto two -A one -p udp -m udp --dport 10002 -g two
1 two 2 jump three -A two -j three
2 three end
1 two end
INPUT policy drop timed
enter INPUT eth0 server
0 INPUT 2 jump one -A INPUT -p udp -m udp --dport 10001:10003 -j one
1 one 3 return RETURN -A one -p udp -m udp --dport 10003 -j RETURN
INPUT policy drop timed
enter INPUT eth0 server
0 INPUT 3 drop REJECT -A INPUT -p udp -m udp --dport 10004 -m comment --comment \"no way\" -j REJECT --reject-with icmp-port-unreachable
enter INPUT eth0 server
0 INPUT 4 continue None -A INPUT -p udp -m udp --dport 10005
0 INPUT 5 continue MARK -A INPUT -p udp -m udp --dport 10005 -j MARK --set-xmark 0x7/0xffffffff
INPUT policy drop timed"
expect_events trace 1 step=table_rule number=3 verdict=drop "sent=icmp port-unreachable" \
    "comment=no way" target=REJECT

# in the columns of iptables-trace: a line for each rule, one for the table's verdict
nfscope_run trace --format iptables-trace udp port 10002
send client udp 10.0.0.2:10002
nfscope_stop
mac=$(ip netns exec server cat /sys/class/net/eth0/address)
netns=$(netns_inode server)
grep 'table=filter .*hook=1\|table=filter hook=INPUT' "$EVENTS" | grep 'in=eth0\|verdict' >"$W/columns"
expect_equal "columns" "$(sed -n 's/^\[[0-9:]*\]  *\[0x[0-9a-f]*\]  *\[\([0-9]*\)\]  *[0-9-]*  *[0-9]*  *\([^ ]*\)  *\([^ ]*\)  *\([0-9]*\)  *\([^ ]*\)  *iptt.*/\1 \2 \3 \4 \5/p' "$W/columns" | sed 's/:[0-9]*->/:N->/' | sort -u)" \
    "$netns eth0 $mac 32 U:10.0.0.1:N->10.0.0.2:10002"
expect_equal "rules" "$(sed -n 's/.*ipttrace=\[pf=PF_INET .*chain=\([^ ]*\) .*rulenum=\([^]]*\)\].*/\1 \2/p' "$W/columns" | xargs)" \
    "INPUT 2 one 2 two 2"
expect_equal "verdicts" "$(grep -c 'iptables=\[pf=PF_INET table=filter hook=INPUT verdict=DROP cost=[0-9]' "$W/columns")" 1

# beside nftables, in one journey and in the order of their priorities
rules server <<'RULES'
table ip nft {
    chain early {
        type filter hook input priority filter - 1; policy accept;
        udp dport 10003 accept
    }
}
RULES
nfscope_run trace udp port 10003
send client udp 10.0.0.2:10003
nfscope_stop
sed -e 's/^  *//; s/ ([0-9.]* [mu]s)$//' "$EVENTS" >"$W/tree"
sed -n '/^input  ip nft/,$p' "$W/tree" | sed 's/  *netns .*//' >"$W/way"
expect_equal "the way beside nftables" "$(cat "$W/way")" "input  ip nft early, priority -1  eth0 in
rule 2: udp dport 10003 accept -> accept
input  ip filter INPUT (legacy)  eth0 in
rule 2: -A INPUT -p udp -m udp --dport 10001:10003 -j one -> jump one
rule 3: -A one -p udp -m udp --dport 10003 -j RETURN -> return
policy drop
dropped"
