# What is cut and put together: IPv4 and IPv6 fragments with conntrack's
# defragmentation, and a TCP transfer with GSO and GRO. Each tree is whole and has
# an end, the counters of the rules are the events, and nothing hangs.
# timeout: 400
# kernels: 5.10 6.12 7.2
topology
cat >"$W/rules" <<'RULES'
flush ruleset
table inet t {
    chain early {
        type filter hook prerouting priority -500; policy accept;
        ip frag-off & 0x1fff != 0 counter comment "piece4"
        exthdr frag exists counter comment "piece6"
    }
    chain input {
        type filter hook input priority 0; policy accept;
        ct state invalid counter drop comment "invalid"
        udp dport 10000 counter accept comment "joined"
        tcp dport 10001 counter accept comment "segment"
    }
}
RULES
listen server udp 10.0.0.2:10000
listen server udp '[fd00::2]:10000'

# counted COMMENT: packets that the kernel counted for a rule
counted() {
    within server nft list ruleset | sed -n "s/.*counter packets \([0-9]*\).*comment \"$1\".*/\1/p"
}
# told: each counter is the number of events
told() {
    local comment
    for comment in piece4 piece6 invalid joined segment; do
        expect_events trace "$(counted $comment)" step=rule comment=$comment netns.name=server
    done
    expect_events lost 0
}

for backend in points trace-hook; do
    rules server <"$W/rules"
    nfscope_run trace --json --backend $backend 'ip or ip6 proto 17 or ip6 proto 44'
    send client udp 10.0.0.2:10000 --size 4000 --count 5
    send client udp '[fd00::2]:10000' --size 4000 --count 5
    nfscope_stop
    trees --whole
    told
    expect_equal "IPv4 fragments behind the first" "$(counted piece4)" 10
    expect_equal "IPv6 fragments" "$(counted piece6)" 15
    expect_equal "joined packets" "$(counted joined)" 10
    expect_events trace 10 step=delivered socket.protocol=udp
done

# A transfer in segments that are larger than the device's packets.
within server socat -u TCP-LISTEN:10001,fork OPEN:"$W/received",creat,append &
for _ in $(seq 100); do
    within server ss -Hltn | grep -q :10001 && break
    sleep 0.1
done
rules server <"$W/rules"
head -c 1000000 /dev/urandom >"$W/sent"
nfscope_run trace --json --ring-size 64M tcp
within client socat -u OPEN:"$W/sent" TCP:10.0.0.2:10001
for _ in $(seq 100); do
    cmp -s "$W/sent" "$W/received" && break
    sleep 0.1
done
cmp "$W/sent" "$W/received" || fail "the transfer is not complete"
settle
nfscope_stop
trees --whole
told
expect_events trace 1+ step=enter hook=input 'packet.length>=3000'
