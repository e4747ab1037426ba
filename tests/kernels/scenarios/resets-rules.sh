# Resets by rules that are not in the way of IP, or not nft's own: a bridge's, a
# device's, one of iptables-legacy, one of iptables-nft; the modules come when nfscope runs already.
# timeout: 120
bridge_topology
nfscope_run resets --json
rules switch <<'RULES'
table bridge filter {
    chain forward {
        type filter hook prerouting priority filter; policy accept;
        tcp dport 10000 reject with tcp reset
    }
}
RULES
rejects=$(handle switch "reject with tcp reset")
early=
if rules server 2>"$W/early" <<'RULES'
table netdev early {
    chain ingress {
        type filter hook ingress device eth0 priority 0; policy accept;
        tcp dport 10003 reject with tcp reset
    }
}
RULES
then
    early=1
else
    echo "skipped: this kernel has no reject in the netdev family"
fi
legacy=
if within server iptables-legacy -A INPUT -p tcp --dport 10001 \
    -j REJECT --reject-with tcp-reset 2>"$W/legacy"; then
    legacy=1
fi
within server iptables -A INPUT -p tcp --dport 10002 -j REJECT --reject-with tcp-reset
# what was loaded is noticed in the next round
for _ in {1..100}; do
    send client tcp 10.0.0.2:10000 --wait 800
    [ -z "$early" ] || send client tcp 10.0.0.2:10003 --wait 800
    [ -z "$legacy" ] || send client tcp 10.0.0.2:10001 --wait 800
    send client tcp 10.0.0.2:10002 --wait 800
    grep -q '"reject_rule".*"name":"switch"\|"name":"switch".*"reject_rule"' "$EVENTS" &&
        grep -q '"source_port":10002.*"iptables"' "$EVENTS" &&
        { [ -z "$legacy" ] || grep -q '"source_port":10001.*"xt_rule"' "$EVENTS"; } && break
    sleep 0.2
done
nfscope_stop

expect_events lost 0
expect_events reset 1+ cause=reject_rule direction=sent netns.name=switch source=10.0.0.2 \
    source_port=10000 rule.handle="$rejects" rule.family=bridge rule.chain=forward \
    "rule.rule=tcp dport 10000 reject with tcp reset" answers.flags=S
expect_events reset 1+ cause=reject_rule direction=sent netns.name=server source_port=10002 \
    rule.table=filter rule.chain=INPUT rule.iptables~10002 answers.flags=S
expect_events reset 0 cause=unknown
if [ -n "$legacy" ]; then
    expect_events reset 1+ cause=reject_rule direction=sent netns.name=server source_port=10001 \
        '!rule' '!rule_unknown' xt_rule.table=filter xt_rule.chain=INPUT xt_rule.number=1 \
        xt_rule.sent="tcp reset" xt_rule.rule="$(within server iptables-legacy -S INPUT 1)" \
        answers.flags=S
fi
[ -z "$early" ] ||
    expect_events reset 1+ cause=reject_rule direction=sent netns.name=server source_port=10003 \
        rule.family=netdev rule.table=early rule.chain=ingress answers.flags=S
expect_events reset 1+ direction=received netns.name=client source_port=10000 state=syn-sent
