# Who changes firewalls: the process and the difference of nft -f with 1,000
# rules, of a table replaced at once, of iptables-restore (nft and legacy); equal to
# what `nft monitor`, `nft list` and `iptables-legacy-save` say. ipset, conntrack,
# sysctls; requests that are refused; who reads (a slow reader is told several times).
# timeout: 300
topology 4
rules server <<'RULES'
table inet fw {
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport 22 accept
        tcp dport 23 accept
        tcp dport 24 accept
    }
    chain many {
    }
}
RULES
within server iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT
within server iptables-legacy -A INPUT -p tcp --dport 23 -j DROP
nsenter --net=/run/netns/server nft monitor >"$W/monitor" &
for try in {1..100}; do
    ! within server awk '$2 == 12 && $4 ~ /[1-9a-f]/ { found = 1 } END { exit !found }' \
        /proc/net/netlink || break
    sleep 0.1
done
nfscope_run changes --json --reads

# as NAME COMMAND…: runs in the server; $pid_NAME is the process
as() {
    local name=$1 status=0
    shift
    nsenter --net=/run/netns/server "$@" >"$W/out.$name" 2>&1 &
    declare -g "pid_$name=$!"
    wait $! || status=$?
    [ "$status" = 0 ] || sed "s|^|$name: |" "$W/out.$name"
    return "$status"
}

for port in {1..1000}; do
    echo "add rule inet fw many tcp dport $port drop"
done >"$W/thousand"
as thousand nft -f "$W/thousand"

within server nft list table inet fw >"$W/before"
cat >"$W/replace" <<'RULES'
flush table inet fw
table inet fw {
    chain input {
        type filter hook input priority filter; policy drop;
        tcp dport 22 accept
        udp dport 53 accept
        tcp dport 24 accept
    }
}
RULES
grep -v ' 7 drop' "$W/thousand" >>"$W/replace"
as replace nft -f "$W/replace"
within server nft list table inet fw >"$W/after"

cat >"$W/restore" <<'RULES'
*filter
-A INPUT -p tcp --dport 25 -j DROP
COMMIT
RULES
number=$(handle server "tcp dport 24 accept")
as swap nft replace rule inet fw input handle "$number" tcp dport 26 accept
as restore iptables-nft-restore "$W/restore"
! as refused nft add rule inet fw nowhere drop || fail "there is no such chain"

within server iptables-legacy-save >"$W/saved.before"
cat >"$W/legacy" <<'RULES'
*filter
:INPUT DROP [0:0]
:web - [0:0]
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -p tcp --dport 80 -j web
-A web -j RETURN
COMMIT
RULES
as legacy iptables-legacy-restore "$W/legacy"
within server iptables-legacy-save >"$W/saved.after"
as added iptables-legacy -A web -p udp --dport 53 -j ACCEPT

sets=
if as create ipset create blocked hash:ip,port; then
    sets=yes
    as add ipset add blocked 10.0.0.9,tcp:80
    as again ipset add blocked 10.0.0.9,tcp:80 && fail "it is there already" || true
    as destroy ipset destroy blocked
fi
as flush conntrack -F
as sysctl sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=1
as read nft list ruleset
as numbers iptables-legacy -nL
await_line() {
    local try
    for try in {1..300}; do
        ! grep -qF "$1" "$EVENTS" || return 0
        sleep 0.1
    done
    fail "no line with $1"
}
await_line "\"process\":{\"pid\":$pid_numbers,"
nfscope_stop

# of PID: its changes
of() {
    grep -F "\"process\":{\"pid\":$1,\"command\":" "$EVENTS"
}
# told PID: what became of which objects
told() {
    of "$1" | grep -o '{"change":"[a-z]*","object":"[a-z]*","line":"[^"]*"' |
        sed 's/.*"change":"\([a-z]*\)".*"line":"\(.*\)"/\1 \2/'
}
# lines PID added|removed
lines() {
    of "$1" | grep -o "\"$2\":\[[^]]*\]" | grep -o '"-[^"]*"' | tr -d '"' | sort
}
# monitored PID: generation of the process's transaction, as nft monitor says
monitored() {
    sed -n "s/^# new generation \([0-9]*\) by process $1 (.*/\1/p" "$W/monitor"
}

expect_events lost 0
for name in thousand replace swap restore; do
    pid=pid_$name
    generation=$(monitored "${!pid}")
    expect_events change 1 action=nft process.pid="${!pid}" netns.name=server uid=0 \
        generation="$generation" generation_before=$((generation - 1)) \
        parent.pid=$$ '!text_unknown' '!error'
done
expect_events change 1 action=nft process.pid="$pid_thousand" process.command=nft
of "$pid_thousand" | grep -cF "\"arguments\":[\"nft\",\"-f\",\"$W/thousand\"]" >"$W/count" ||
    fail "not the command line: $(of "$pid_thousand" | head -c 300)"
told "$pid_thousand" >"$W/told"
awk '/^# new generation/ { done = on } /tcp dport 1 drop/ { on = 1 }
    on && !done && /^(add|insert) rule/ { sub(/ handle [0-9]+/, "")
    sub(/^insert/, "add"); print "added " $0 }' \
    "$W/monitor" >"$W/wanted"
expect_equal "the number of rules" "$(wc -l <"$W/wanted")" 1000
diff "$W/wanted" "$W/told" >"$W/diff" ||
    fail "not the rules that nft monitor has: $(head -n 6 "$W/diff")"

# the difference of the two listings, but for the policy, which is a chain's
expect_events change 1 process.pid="$pid_replace" unchanged=1001
of "$pid_replace" | grep -o '"before":"[^"]*"' | sed 's/"before":"\(.*\)"/< \1/' >"$W/told"
told "$pid_replace" | sed -n 's/^added add rule inet fw [a-z]* /> /p' >>"$W/told"
(diff "$W/before" "$W/after" || true) | sed -n 's/^\([<>]\)[ \t]*\(.*[a-z]*dport.*\)$/\1 \2/p' |
    sort >"$W/wanted"
sort -o "$W/told" "$W/told"
expect_equal "what was replaced" "$(cat "$W/told")" "$(cat "$W/wanted")"
told "$pid_replace" | grep -c -- '^updated add chain inet fw input .*policy drop' >"$W/count" ||
    fail "the policy is not told: $(told "$pid_replace")"
expect_events change 1 process.pid="$pid_swap" changes.0.change=replaced \
    "changes.0.before=tcp dport 24 accept" '!changes.1' \
    'changes.0.line~tcp dport 26 accept'
told "$pid_restore" | grep -c -- '^added add rule ip filter INPUT tcp dport 25 counter.* drop' >"$W/count" ||
    fail "not iptables-nft's rule: $(told "$pid_restore")"
expect_events change 1 action=nft process.pid="$pid_refused" "error=No such file or directory"

expect_events change 1 action=table operation=replace process.pid="$pid_legacy" table=filter \
    family=ip netns.name=server entries_before=6 '!text_unknown' '!together'
of "$pid_legacy" | grep -cF "\"arguments\":[\"iptables-legacy-restore\",\"$W/legacy\"]" >"$W/count" ||
    fail "not its arguments"
for sign in removed:'<' added:'>'; do
    (diff "$W/saved.before" "$W/saved.after" || true) |
        sed -n "s/^${sign#*:} \(-A .*[^ ]\) *$/\1/p" | sort >"$W/wanted"
    lines "$pid_legacy" "${sign%:*}" | grep '^-A' >"$W/told" || true
    expect_equal "${sign%:*} lines" "$(cat "$W/told")" "$(cat "$W/wanted")"
done
expect_equal "chains" "$(lines "$pid_legacy" added | grep -v '^-A')" "$(printf '%s\n' '-N web' '-P INPUT DROP')"
expect_equal "an added rule" "$(lines "$pid_added" added)" "-A web -p udp -m udp --dport 53 -j ACCEPT"

if [ -n "$sets" ]; then
    expect_events change 1 action=ipset process.pid="$pid_create" command=create set=blocked other=hash:ip,port
    expect_events change 1 action=ipset process.pid="$pid_add" command=add '!error' 'entries_of_set~10.0.0.9,tcp:80'
    expect_events change 1 action=ipset process.pid="$pid_again" command=add error
    expect_events change 1 action=ipset process.pid="$pid_destroy" command=destroy set=blocked '!error'
fi
expect_events change 1 action=conntrack operation=flush process.pid="$pid_flush" '!error'
expect_events change 1 action=sysctl process.pid="$pid_sysctl" value=1 \
    name=net.netfilter.nf_conntrack_tcp_be_liberal
expect_events change 1+ action=read process.pid="$pid_read" of=nft 'what~rules'
expect_events change 1+ action=read process.pid="$pid_numbers" of=iptables 'what~filter'
