# Killed at any moment, nothing stays behind.
# architectures: amd64 arm64
# timeout: 120
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop
    }
}
EOF
state() {
    ip netns list | sort
    lsns --noheadings --type net --output NS
    nft list ruleset
    within server nft list ruleset
    bpftool prog show | grep -o '^[0-9]*: .*name .*  tag' || true
    cat /sys/kernel/tracing/kprobe_events
    cat /sys/kernel/tracing/enabled_functions
}
# Waits for work that the kernel does later.
same_as_before() {
    local try
    for try in 1 2 3 4 5 6 7 8 9 10; do
        [ "$(state)" = "$before" ] && return
        sleep 0.3
    done
    diff <(echo "$before") <(state) || fail "left behind after $1"
}
before=$(state)
for delay in 0.01 0.05 0.1 0.2 0.4; do
    nfscope drops --json >"$EVENTS" 2>"$ERRORS" </dev/null &
    sleep "$delay"
    kill -KILL $!
    wait $! || true
    same_as_before "$delay s"
done
nfscope_start
send client udp 10.0.0.2:10000
kill -KILL "$NFSCOPE"
wait "$NFSCOPE" || true
same_as_before "watching"
nfscope_start
nfscope_stop
same_as_before "a regular end"
