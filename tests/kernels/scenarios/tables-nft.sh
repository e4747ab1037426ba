# Rules of arptables-nft and ebtables-nft are shown as their owner wrote them.
# timeout: 120
bridge_topology
arp() { within server arptables-nft "$@"; }
eb() { within switch ebtables-nft "$@"; }
arp -A INPUT -s 10.0.0.70 -j ACCEPT
arp -A INPUT -s 10.0.0.77 --opcode 1 -j DROP
arp -A INPUT -s 10.0.0.64/28 -i eth+ -j DROP
eb -A FORWARD -p IPv4 --ip-src 10.0.0.1 --ip-proto udp --ip-dport 10000 -j DROP
eb -A FORWARD -p IPv4 --logical-in br0 --ip-proto udp --ip-dport 10001 -j mark --mark-set 0x5 --mark-target CONTINUE
eb -A FORWARD -p IPv4 --logical-in br0 --ip-proto udp --ip-dport 10001 -j DROP
eb -N SUB -P RETURN
eb -A FORWARD -p IPv4 -i left -o right --ip-proto udp --ip-dport 10002:10003 -j SUB
eb -A SUB ! -s 02:00:00:00:00:01 -j DROP
nfscope_start
send client arp eth0 10.0.0.2 10.0.0.77 --count 3
send client arp eth0 10.0.0.2 10.0.0.65 --count 4
send client udp 10.0.0.2:10000 --count 5
send client udp 10.0.0.2:10001 --count 2
send client udp 10.0.0.2:10003 --count 4
nfscope_stop

expect_drops 18 cause.kind=nft_rule
# line NAMESPACE PROGRAM PART: the one line that the owner's program prints
line() {
    local lines
    lines=$(within "$1" "$2" | grep -e "^-A .*$3" | sed 's/ *$//')
    [ "$(wc -l <<<"$lines")" = 1 ] || fail "no single line with $3: $lines"
    echo "$lines"
}
expect_drops 3 cause.family=arp "cause.iptables=$(line server arptables-nft-save 10.0.0.77)"
expect_drops 4 cause.family=arp "cause.iptables=$(line server arptables-nft-save 10.0.0.64/28)"
expect_drops 5 cause.family=bridge "cause.iptables=$(line switch ebtables-nft-save 10000)"
expect_drops 2 cause.family=bridge "cause.iptables=$(line switch ebtables-nft-save '10001 -j DROP')"
expect_drops 4 cause.family=bridge cause.chain=SUB \
    "cause.iptables=$(line switch ebtables-nft-save 02:00:00:00:00:01)"
