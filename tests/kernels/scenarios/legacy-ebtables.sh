# Frames that tables of ebtables-legacy drop: the table and the hook, as often as the
# counters of its rules and policies say; what broute routes is no drop of it.
# timeout: 120
bridge_topology
eb() { within switch ebtables-legacy "$@"; }
modprobe -a ebtable_filter ebtable_nat ebtable_broute 2>/dev/null ||
    skip "ebtables-legacy is gone"
eb -t filter -L >/dev/null
# neighbours are known and never asked again: no frame but those of the test
mac() { ip -n "$1" -br link show eth0 | awk '{ print $3 }'; }
ip -n client neigh replace 10.0.0.2 dev eth0 lladdr "$(mac server)" nud permanent
ip -n server neigh replace 10.0.0.1 dev eth0 lladdr "$(mac client)" nud permanent
udp=(-p IPv4 --ip-proto udp --ip-dport)
eb -N sub
eb -P sub RETURN
eb -A FORWARD "${udp[@]}" 10001 -j DROP
eb -A FORWARD "${udp[@]}" 10002 -j ACCEPT
eb -A FORWARD "${udp[@]}" 10003 -j sub
eb -A sub -i left -j DROP
eb -A INPUT "${udp[@]}" 10001 -j DROP
eb -t nat -A PREROUTING "${udp[@]}" 10004 -j DROP
eb -t nat -A POSTROUTING "${udp[@]}" 10007 -j DROP
eb -t broute -A BROUTING "${udp[@]}" 10005 -j DROP

lines() { for table in filter nat broute; do eb -t $table -L; done; }
nfscope_start
lines >"$W/before"
listen server udp 10.0.0.2:10002
# what broute hands to the switch is dropped there: it forwards nothing
for sent in 10001:3 10002:2 10003:4 10004:5 10005:6 10007:1; do
    send client udp "10.0.0.2:${sent%:*}" --count "${sent#*:}"
done
settle
lines >"$W/after"
eb -P FORWARD DROP
send client udp 10.0.0.2:10008 --count 2
nfscope_stop
cmp "$W/before" "$W/after" || fail "the tables have changed"
expect_events lost 0

# counted TABLE CHAIN: what its rules that drop have counted
counted() {
    eb -t "$1" -L "$2" --Lc | sed -n 's/.*-j DROP .*pcnt = \([0-9]*\).*/\1/p' |
        awk '{ sum += $1 } END { print sum + 0 }'
}
forward=$(($(counted filter FORWARD) + $(counted filter sub) + 2))
expect_equal "frames that FORWARD dropped" "$forward" 9
bridge=(cause.kind=xt_rule cause.family=bridge cause.verdict=drop netns.name=switch)
expect_drops "$forward" "${bridge[@]}" cause.table=filter cause.hook=forward '!cause.rule' \
    '!cause.number' '!cause.chain' cause.text_unknown~ebtables-legacy in_device.name=left out_device.name=right
expect_drops "$(counted nat PREROUTING)" "${bridge[@]}" cause.table=nat cause.hook=prerouting \
    packet.transport.destination=10004
expect_drops "$(counted nat POSTROUTING)" "${bridge[@]}" cause.table=nat cause.hook=postrouting \
    packet.transport.destination=10007
expect_drops 15 "${bridge[@]}"
expect_drops 6 packet.transport.destination=10005 cause.kind!=xt_rule
expect_drops 0 packet.transport.destination=10002
