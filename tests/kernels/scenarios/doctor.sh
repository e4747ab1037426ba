# `doctor` finds what was set up to surprise, in the namespace that has it, and
# nothing where all is usual; without privileges it says what is missing.
# timeout: 400
topology 4

# found NAMESPACE: topics of the notes and problems there, each once, in a line
found() {
    python3 - "$EVENTS" "$1" <<'PYTHON'
import json, sys
usual = {"frame", "points", "trace hook", "probing", "drop reasons", "logger", "nf_tables",
         "nft_do_chain"}
topics = {f["topic"] for f in json.load(open(sys.argv[1]))
          if f.get("level", "ok") != "ok" and f.get("netns", "") == sys.argv[2]}
print(*sorted(topics - usual))
PYTHON
}
rules client <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop
    }
}
RULES
# what is healthy: the machine's own settings may be anything; whether the logger
# can be loaded
mkdir -p /run/modprobe.d
trap 'rm -f /run/modprobe.d/nfscope.conf' EXIT
printf 'install %s /bin/false\n' nf_log_syslog nf_log_ipv4 >/run/modprobe.d/nfscope.conf
nfscope doctor --test=logging --json >"$EVENTS" 2>"$ERRORS" ||
    fail "a problem: $(cat "$EVENTS" "$ERRORS")"
rm /run/modprobe.d/nfscope.conf
if [ ! -e /sys/module/nf_log_syslog ] && [ ! -e /sys/module/nf_log_ipv4 ]; then
    expect_text 'RULE_APPEND failed'
    grep -A 2 "\"claimed\": .*: rules that log IPv4's packets are refused" "$EVENTS" |
        grep -q '"outcome": "agrees"' || fail "not proven: $(cat "$EVENTS")"
fi
expect_equal "findings" "$(found client), $(found server)" ", "
grep -q '"text": "nft: rules in tables inet filter: 1"' "$EVENTS" || fail "no rules: $(cat "$EVENTS")"

# both tools, rules that log, rules for what is not forwarded
within server iptables-legacy -A FORWARD -p udp -j DROP
rules server <<'RULES'
table ip filter {
    chain INPUT {
        type filter hook input priority filter; policy accept;
        udp dport 10001 counter drop
    }
}
table ip mine {
    chain input {
        type filter hook input priority 10; policy accept;
        udp dport 10002 log prefix "seen "
    }
}
RULES
within server sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.ip_forward=0
# a table without rules
within client iptables-legacy -L >/dev/null
allowed=$(sysctl -n net.netfilter.nf_log_all_netns)
sysctl -qw net.netfilter.nf_log_all_netns=0
nfscope doctor --json >"$EVENTS" 2>"$ERRORS" || fail "a problem: $(cat "$EVENTS" "$ERRORS")"
expect_equal "findings of the client" "$(found client)" "empty legacy"
expect_equal "findings of the server" "$(found server)" \
    "both at once forwarding log in namespace rp_filter"
for text in 'iptables-legacy: rules in tables iptables filter: 1' \
    'ip netns exec server sysctl -w net.ipv4.ip_forward=1' \
    '"fix": "sysctl -w net.netfilter.nf_log_all_netns=1"' \
    'nft: rules in tables ip mine: 1' 'iptables-nft: rules in tables ip filter: 1'; do
    expect_text "$text"
done

# each fix that is told takes its finding away
sysctl -qw net.netfilter.nf_log_all_netns=1
within server sysctl -qw net.ipv4.conf.all.rp_filter=2 net.ipv4.ip_forward=1
within server iptables-legacy -F
within server nft delete table ip mine
nfscope doctor --json >"$EVENTS" 2>"$ERRORS"
sysctl -qw net.netfilter.nf_log_all_netns="$allowed"
expect_equal "findings of the server" "$(found server)" "empty legacy"

nfscope doctor -v >"$EVENTS" 2>"$ERRORS"
expect_text 'note     empty legacy     netns client: '
expect_text 'xtables-monitor --trace'
expect_text 'functions can be probed by '

status=0
setpriv --reuid nobody --regid nogroup --clear-groups nfscope doctor >"$EVENTS" 2>"$ERRORS" ||
    status=$?
expect_equal "status" "$status" 1
expect_text 'problem  capabilities'
expect_text 'nfscope: what stops commands here: capabilities'
