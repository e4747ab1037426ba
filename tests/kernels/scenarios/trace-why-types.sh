# For each type of expression one rule that fails on exactly that expression, or
# on the comparison with what it loaded: what was wanted, and what the packet had.
# timeout: 280
topology 4
rules server <<'EOF'
table inet t {
    set full {
        type ipv4_addr
        size 1
        flags dynamic,timeout
        elements = { 192.0.2.9 timeout 1h }
    }
    quota spent {
        10 bytes
    }
    chain early {
        type filter hook prerouting priority raw
        udp dport 9081 notrack
    }
    chain input {
        type filter hook input priority filter
    }
}
table netdev n {
    chain ingress {
        type filter hook ingress device eth0 priority 0; policy accept;
    }
}
EOF
cannot=

# rule NAME TEXT: a rule under that name, if nft and the kernel take it
rule() {
    within server nft "add rule inet t input $2 counter comment \"$1\"" 2>>"$W/refused" ||
        cannot="$cannot $1"
}

rule cmp 'udp dport 9090'
rule payload 'udp dport 9080 @th,1600,16 7'
rule meta 'udp dport 9080 meta skuid 7'
rule meta-value 'udp dport 9080 meta length > 1000'
rule byteorder 'udp dport 9080 meta mark 5-10'
rule bitwise 'ip saddr 192.0.2.0/25'
rule bitwise-flags 'tcp flags & (syn | ack) == ack'
rule ct 'udp dport 9081 ct mark 0x10'
rule ct-value 'udp dport 9080 ct state established'
rule lookup 'udp dport { 53, 123 }'
rule lookup-not 'udp dport != { 53, 9080 }'
rule range 'udp dport != 9000-9100'
rule fib 'udp dport 9080 fib daddr type broadcast'
rule rt 'udp dport 9080 rt ip nexthop 192.0.2.1'
rule socket 'udp dport 9080 socket transparent 1'
rule socket-value 'udp dport 9082 socket transparent 1'
rule exthdr 'tcp dport 9083 tcp option sack left 1'
rule exthdr-value 'tcp dport 9083 tcp option maxseg size 9'
rule limit 'udp dport 9084 limit rate 1/hour burst 1 packets'
rule quota 'udp dport 9080 quota 10 bytes'
rule connlimit 'udp dport 9080 ct count over 5'
rule objref 'udp dport 9080 quota name "spent"'
rule osf 'tcp dport 9083 osf name "Windows"'
rule osf-syn 'tcp dport 9086 osf name "Windows"'
rule xfrm 'udp dport 9080 ipsec in reqid 7'
rule dynset 'udp dport 9080 add @full { ip saddr }'
rule numgen 'udp dport 9085 numgen inc mod 10 7'
rule hash 'udp dport 9080 jhash ip saddr mod 2 seed 0xdeadbeef offset 100 5'
rule inner 'udp dport 9080 vxlan vni 5'
within server iptables -A INPUT -p udp -m multiport --dports 53,123 -j ACCEPT ||
    cannot="$cannot match"
# no grammar has it
within server nfscope-guest tunnel-rule n ingress id 7 tunnel || cannot="$cannot tunnel"
within server nfscope-guest tunnel-rule n ingress path 1 tunnel-path || cannot="$cannot tunnel-path"
listen server udp 10.0.0.2:9082
case $cannot in
    "" | " inner") ;; # kernel 6.2
    *) cat "$W/refused"; fail "nft or the kernel refuses$cannot" ;;
esac

nfscope_run trace --json --why --netns server 'dst portrange 9080-9086'
send client udp 10.0.0.2:9080
send client udp 10.0.0.2:9081
send client udp 10.0.0.2:9082
send client segment 10.0.0.2:9086 --flags .
send client udp 10.0.0.2:9084 --count 2
send client udp 10.0.0.2:9085
send client segment 10.0.0.2:9083 --flags S
send client tcp 10.0.0.2:9083
nfscope_stop

# why PACKET NAME EXPRESSION CONDITION…: that packet failed the rule so, once
why() {
    [[ " $cannot " == *" $2 "* ]] && return
    expect_events trace 1 step=no_match packet_id="$1" comment="$2" why.expression="$3" "${@:4}"
}
value() {
    why "$1" "$2" "$3" "why.condition=$4" "why.wanted=$5" "why.actual=$6"
}
value 1 cmp cmp 'udp dport 9090' 9090 9080
value 1 meta-value cmp 'meta length > 1000' 1000 32
value 1 byteorder range 'meta mark 0x00000005-0x0000000a' 0x00000005-0x0000000a 0x00000000
value 1 bitwise cmp 'ip saddr 192.0.2.0/25' 192.0.2.0/25 10.0.0.1
value 1 ct-value cmp 'ct state established' established new
value 1 lookup lookup 'udp dport { 53, 123 }' '{ 53, 123 }' 9080
value 1 lookup-not lookup 'udp dport != { 53, 9080 }' '{ 53, 9080 }' 9080
value 1 range range 'udp dport != 9000-9100' 9000-9100 9080
value 1 fib cmp 'fib daddr type broadcast' broadcast local
value 1 rt cmp 'rt ip nexthop 192.0.2.1' 192.0.2.1 10.0.0.2
value 1 dynset dynset 'add @full { ip saddr }' @full 10.0.0.1
value 1 hash cmp 'jhash ip saddr mod 2 seed 0xdeadbeef offset 100 5' 5 100
value 7 numgen cmp 'numgen inc mod 10 7' 7 0
value 3 socket-value cmp 'socket transparent 1' 1 0
value 1 tunnel-path cmp 'tunnel path exists' exists missing
value 9 bitwise-flags cmp 'tcp flags & (syn | ack) == ack' ack syn
value 9 exthdr-value cmp 'tcp option maxseg size 9' 9 1460
value 9 osf cmp 'osf name "Windows"' '"Windows"' '"unknown"'
why 1 payload payload 'why.condition=@th,1600,16 0x7' 'why.reason~too short'
why 1 meta meta 'why.condition=meta skuid 7' 'why.reason~no open local socket'
why 2 ct ct 'why.condition=ct mark 0x00000010' 'why.reason~no connection'
why 1 socket socket 'why.condition=socket transparent 1' 'why.reason=packet belongs to no local socket'
why 8 exthdr exthdr 'why.condition=tcp option sack left 1' 'why.reason~no tcp option sack'
why 6 limit limit 'why.condition~limit rate 1/hour' 'why.reason=the rate is exceeded'
why 1 quota quota 'why.condition=quota 10 bytes' 'why.reason=the quota is used up'
why 1 connlimit connlimit 'why.condition=ct count over 5' 'why.reason~no more than 5 connections'
why 1 objref objref 'why.condition=quota name "spent"' 'why.reason~quota'
why 4 osf-syn osf 'why.condition=osf name "Windows"' 'why.reason=packet is no TCP SYN'
why 1 xfrm xfrm 'why.condition=ipsec in reqid 7' 'why.reason~IPsec'
why 1 inner inner 'why.condition=vxlan vni 5' 'why.reason~no vxlan tunnel'
why 1 tunnel tunnel 'why.condition=tunnel id 7' 'why.reason=packet has no tunnel metadata'
expect_events trace 1 packet_id=1 iptables~multiport why.expression=match \
    'why.condition~multiport' 'why.reason~multiport does not match'
expect_events trace 0 step=missing
