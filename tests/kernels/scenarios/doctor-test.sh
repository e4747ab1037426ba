# `doctor --test` proves what doctor says: on a machine without traps, and with each
# trap in a namespace of its own; it loads no module, changes no setting outside of its
# own namespaces, and leaves nothing when it is killed.
# timeout: 600
namespace quiet legacy logger tracer router strict invalid full

# doctor ARGUMENTS…: what it says, when nothing that it says is wrong; a line for each
# trap (`trap NAMESPACE TOPIC`, each once) and each proof (`OUTCOME TOPIC: CLAIM -- SEEN`)
doctor() {
    local status=0
    nfscope doctor --json "$@" >"$EVENTS" 2>"$ERRORS" || status=$?
    python3 - "$EVENTS" >"$W/said" <<'PYTHON'
import json, sys
# what a kernel may lack; tables of iptables-legacy are in all namespaces, once loaded
usual = {"frame", "points", "trace hook", "probing", "drop reasons", "nf_tables", "nft_do_chain",
         "empty legacy"}
said = json.load(open(sys.argv[1]))
traps = {(f.get("netns", "here"), f["topic"]) for f in said
         if f.get("level", "ok") != "ok" and f["topic"] not in usual}
for netns, topic in sorted(traps):
    print("trap", netns, topic)
for proof in said:
    if "outcome" in proof:
        print(proof["outcome"], proof["topic"] + ":", proof["claimed"], "--", proof["seen"])
PYTHON
    [ "$status" = 0 ] || fail "status $status: $(cat "$ERRORS" "$W/said")"
}
# proven PART OF A CLAIM…
proven() {
    local part
    for part in "$@"; do
        grep '^agrees ' "$W/said" | grep -qF -- "$part" || fail "not proven: $part: $(cat "$W/said")"
    done
}
machine() {
    awk '{ print $1 }' /proc/modules
    # some can only be written, and without br_netfilter one folder is not there
    { grep -r . /proc/sys/net/ipv4/{conf,ip_forward} /proc/sys/net/{netfilter,bridge} || true; } 2>&1 |
        grep -v conntrack_count
    nft list ruleset
}

# a user's ruleset: nothing of it surprises
rules quiet <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 counter drop
        ct state new accept
    }
}
RULES
most=$(sysctl -n net.netfilter.nf_conntrack_max)
all=$(sysctl -n net.netfilter.nf_log_all_netns)
restore() {
    sysctl -qw net.netfilter.nf_conntrack_max="$most" net.netfilter.nf_log_all_netns="$all"
    [ -z "${bridge-}" ] || modprobe -r br_netfilter
}
trap restore EXIT
# modules as where all of it is in use: what would load one is not tried
modprobe -a iptable_filter iptable_raw xt_LOG xt_TRACE nft_log nft_compat
nft add table ip logs '{ chain c { log; }; }'
nft delete table ip logs
sysctl -qw net.netfilter.nf_log_all_netns=1
rm -f /run/xtables.lock
modprobe -r br_netfilter || true
# what netlink-trace's tables need, else it would not be tried
modprobe nft_meta_bridge || true
machine >"$W/before"
doctor --test
machine >"$W/after"
diff "$W/before" "$W/after" >"$W/changed" || fail "changed: $(cat "$W/changed")"
[ ! -e /run/xtables.lock ] || fail "the lock of iptables-legacy was made"
expect_equal "traps" "$(grep '^trap ' "$W/said" || true)" ""
proven 'points: drops tells the rule that drops' 'tracepoint: drops tells the packet' \
    'netlink trace: drops tells the rule' 'trace --why tells the rule that matches' \
    'resets tells a reset' 'changes tells who changes' 'stacks counts' \
    'a rule of nft that traces is told by netlink' 'ip_forward is 0' \
    'nf_conntrack_tcp_be_liberal is 0' 'rule of nft logs in a namespace is in the kernel log' \
    'rule of iptables-nft logs in a namespace is in the kernel log' \
    'rule of iptables-legacy logs in a namespace is in the kernel log' \
    'rule of iptables-legacy that traces is told in the kernel log' \
    'drops tells a rule of iptables-legacy that drops'

# killed at any moment it leaves nothing, which run.sh looks for, too
nfscope doctor --test=settings >"$W/killed" 2>&1 &
killed=$!
until grep -qs nfscope-scratch /proc/$killed/task/*/comm; do
    kill -0 $killed || fail "it ended: $(cat "$W/killed")"
done
kill -9 $killed
wait $killed || true

# each trap in a namespace of its own
within legacy iptables-legacy -A INPUT -p udp -j DROP
rules legacy <<'RULES'
table ip mine {
    chain input {
        type filter hook input priority filter; policy drop;
    }
}
RULES
rules logger <<'RULES'
table ip mine {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10002 log prefix "seen "
    }
}
RULES
within tracer iptables-nft -t raw -A OUTPUT -p udp -j TRACE
rules router <<'RULES'
table ip mine {
    chain forward {
        type filter hook forward priority filter; policy accept;
        udp dport 10002 drop
    }
}
RULES
within strict sysctl -qw net.ipv4.conf.all.rp_filter=1
for name in invalid full; do
    rules "$name" <<'RULES'
table ip mine {
    chain input {
        type filter hook input priority filter; policy accept;
        ct state new accept
    }
}
RULES
done
within invalid sysctl -qw net.netfilter.nf_conntrack_log_invalid=255 \
    net.netfilter.nf_log.2=NONE net.netfilter.nf_log.10=NONE
within full sysctl -qw net.netfilter.nf_conntrack_udp_timeout=6000
listen full udp 127.0.0.1:10000
send full udp 127.0.0.1:10000
# a second device, for rp_filter, and bridges
modprobe veth
if [ ! -e /sys/module/br_netfilter ] && modprobe br_netfilter; then
    bridge=there
    ip netns list | while read -r name _; do
        within "$name" sysctl -qw net.bridge.bridge-nf-call-{iptables,ip6tables}=0
    done
    sysctl -qw net.bridge.bridge-nf-call-{iptables,ip6tables}=0
    within strict sysctl -qw net.bridge.bridge-nf-call-iptables=1
fi
sysctl -qw net.netfilter.nf_conntrack_max=1 net.netfilter.nf_log_all_netns=0

doctor --test=logging,settings
expect_equal "traps" "$(grep '^trap ' "$W/said")" "trap full conntrack
trap invalid conntrack
trap legacy both at once
trap logger log in namespace
trap router forwarding${bridge:+
trap strict bridge}
trap strict rp_filter
trap tracer tracing"
proven 'packets whose answer would leave by another device are dropped' 'rp_filter is 0' 'ip_forward is 0' \
    'nf_conntrack_max is 1: packets of further connections are dropped' \
    'nf_conntrack_log_invalid is 255 (netns invalid)' \
    'nf_conntrack_log_invalid is 0' 'what a rule of nftables accepts'
[ -z "${bridge-}" ] || proven 'bridge-nf-call-iptables is 1 (netns strict)' 'bridge-nf-call-iptables is 0'
proven 'rule of nft logs in a namespace is not in the kernel log' \
    'rule of iptables-nft that traces is told by netlink' \
    'rule of iptables-legacy that traces in a namespace is not told'
