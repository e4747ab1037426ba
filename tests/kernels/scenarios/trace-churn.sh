# The ruleset is replaced while packets pass: each rule's text is the one that the
# packet met (its mark tells which that was), or unknown. Then a
# namespace is deleted while its packets are traced.
# timeout: 400
# kernels: 5.10 6.12 7.2
topology 4
for n in 1 2; do
    cat >"$W/rules$n" <<RULES
flush ruleset
table ip filter {
    chain sub {
        meta mark set $n
        counter comment "ruleset $n"
    }
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 jump sub
    }
    chain late {
        type filter hook input priority 100; policy accept;
        meta mark 1 counter comment "mark 1"
        meta mark 2 counter comment "mark 2"
    }
}
RULES
done
rules server <"$W/rules1"

# All trees are whole. Where the kernel lets other tasks interrupt programs it
# skips some: that is counted, and the packets of that time are marked.
accounted() {
    if grep -q '"place":"nested"' "$EVENTS"; then
        trees
        expect_events trace 1+ step=missing '!count'
    else
        trees --whole
        expect_events lost 0
    fi
}

listen server udp 10.0.0.2:10000
nfscope_run trace --json --all --ring-size 16M udp dst port 10000
within client nfscope-guest send udp 10.0.0.2:10000 --count 300 --gap 20 >/dev/null &
sender=$!
replaced=0
while kill -0 $sender 2>/dev/null; do
    for n in 2 1; do
        rules server <"$W/rules$n"
        replaced=$((replaced + 1))
    done
done
wait $sender
nfscope_stop
accounted
[ "$replaced" -ge 4 ] || fail "the ruleset was replaced only $replaced times"
# one more where the old and the new chain were both at the hook
expect_events trace 300+ step=enter chain=input
# The mark that the packet has at the next chain says which rules it met in this
# one; a text is that one's, or there is a reason why not.
python3 - "$EVENTS" <<'CHECK' || fail "a text of another ruleset"
import json, sys
met, seen, compared, wrong = {}, [0, 0], 0, 0
for line in open(sys.argv[1]):
    event = json.loads(line)
    packet, step = event.get("packet_id"), event.get("step")
    if step == "enter":
        mark = event["packet"]["mark"]
        for rule, comment, told in met.pop(packet, []):
            compared += 1
            expected = f"meta mark set 0x{mark:08x}" if comment is None else f"ruleset {mark}"
            if expected != (rule if comment is None else comment):
                wrong += 1
                print(f"mark {mark}: {told}")
    elif step in ("rule", "no_match"):
        seen["rule" not in event] += 1
        if "rule" not in event and "text_unknown" not in event:
            sys.exit("neither text nor reason: " + line)
        if event["chain"] == "sub" and "rule" in event:
            met.setdefault(packet, []).append((event["rule"], event.get("comment"), line))
print(f"{seen[0]} texts, {seen[1]} unknown, {compared} compared, {wrong} wrong")
sys.exit(wrong > 0 or not compared)
CHECK

# a namespace is deleted while its packets are on their way
nfscope_run trace --json --ring-size 16M udp
for n in 1 2 3; do
    ip netns add gone
    within gone ip link set lo up
    within gone nft -f "$W/rules1"
    nsenter --net=/run/netns/gone nfscope-guest send udp 127.0.0.1:10000 --count 200 --gap 2 >/dev/null &
    sender=$!
    sleep 0.1
    ip netns del gone
    wait $sender || true
done
nfscope_stop
accounted
expect_events trace 100+ step=enter chain=input
