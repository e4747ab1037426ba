# Frames that tables of ebtables-legacy drop: table, chain, number and line of the rule are
# those that ebtables-legacy shows, the counts those of the rules' own counters; policies;
# what broute routes is no drop of it.
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
eb -N dead -P DROP
eb -A FORWARD "${udp[@]}" 10001 -j DROP
eb -A FORWARD "${udp[@]}" 10002 -j ACCEPT
eb -A FORWARD "${udp[@]}" 10003 -j sub
eb -A FORWARD "${udp[@]}" 10006 --log --log-prefix "a b" -j dead
eb -A FORWARD "${udp[@]}" 10009 -j mark --mark-set 1 --mark-target DROP
eb -A sub -o left -j DROP
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
for sent in 10001:3 10002:2 10003:4 10004:5 10005:6 10006:2 10007:1 10009:3; do
    send client udp "10.0.0.2:${sent%:*}" --count "${sent#*:}"
done
# until all are told: a table is read when it has dropped
await_events 24
lines >"$W/after"
for chain in filter.FORWARD filter.sub nat.PREROUTING nat.POSTROUTING; do
    eb -t "${chain%.*}" -L "${chain#*.}" --Ln --Lc >"$W/$chain"
done
# another table in its place, in which all rules have other numbers
eb -P FORWARD DROP
eb -I FORWARD 1 "${udp[@]}" 10010 -j DROP
send client udp 10.0.0.2:10008 --count 2
send client udp 10.0.0.2:10010 --count 2
send client udp 10.0.0.2:10001
nfscope_stop
cmp "$W/before" "$W/after" || fail "the tables have changed"
expect_events lost 0

bridge=(cause.family=bridge netns.name=switch)
# rules_of TABLE CHAIN HOOK: each rule that has dropped, as it was counted
rules_of() {
    local line number packets text
    while IFS= read -r line; do
        number=${line%%.*} packets=${line#*pcnt = } text=${line#*. }
        packets=${packets%% *} text=${text%, pcnt*}
        [ "$packets" = 0 ] && continue
        case $text in *"-j DROP "* | *"--mark-target DROP"*) ;; *) continue ;; esac
        expect_drops "$packets" "${bridge[@]}" cause.kind=xt_rule cause.table="$1" \
            cause.chain="$2" cause.hook="$3" cause.number="$number" backend=points \
            "cause.rule=-A $2 ${text%"${text##*[! ]}"}"
        drops=$((drops + packets))
    done < <(grep '^[0-9]*\. ' "$W/$1.$2")
}
drops=0
rules_of filter FORWARD forward
rules_of filter sub forward
rules_of nat PREROUTING prerouting
rules_of nat POSTROUTING postrouting
expect_equal "frames that rules have dropped" "$drops" 16
expect_drops 3 "${bridge[@]}" cause.chain=FORWARD cause.number=5 cause.target=mark cause.verdict=target
expect_drops 4 "${bridge[@]}" cause.chain=sub cause.number=2 cause.verdict=drop \
    in_device.name=left out_device.name=right packet.transport.destination=10003
# a user chain's policy has no number
expect_drops 2 "${bridge[@]}" cause.kind=xt_rule cause.chain=dead '!cause.number' \
    "cause.rule=-P dead DROP" packet.transport.destination=10006
expect_drops 2 "${bridge[@]}" cause.kind=xt_policy cause.table=filter cause.chain=FORWARD \
    cause.hook=forward packet.transport.destination=10008
expect_drops 2 "${bridge[@]}" cause.chain=FORWARD cause.number=1 cause.verdict=drop \
    "cause.rule~--ip-dport 10010 -j DROP"
expect_drops 1 "${bridge[@]}" cause.chain=FORWARD cause.number=2 "cause.rule~--ip-dport 10001 -j DROP"
expect_drops 23 "${bridge[@]}"
expect_drops 6 packet.transport.destination=10005 '!cause.family'
expect_drops 0 packet.transport.destination=10002
