# A chain of 20,000 rules of which the last but one matches, and 500 chains with
# jumps as deep as the kernel lets them be: the start and the memory stay sane,
# every jump and return is there, in the kernel's order, at the right depth.
# timeout: 500
# kernels: 5.10 6.12 7.2
topology 4
{
    echo 'table ip long {'
    echo 'chain input {'
    echo 'type filter hook input priority 10; policy accept;'
    awk 'BEGIN { for (i = 1; i <= 19998; i++) print "udp sport " i }'
    echo 'udp dport 10000 counter comment "found"'
    echo 'udp dport 10002 counter'
    echo '}'
    echo '}'
} >"$W/long"
rules server <"$W/long"
# chain c1 jumps to c2 and so on; c16 can be reached, but nothing behind it
awk 'BEGIN {
    print "table ip deep {"
    for (i = 500; i >= 1; i--) {
        print "chain c" i " {"
        if (i % 15 != 0 && i < 500) print "udp dport 10000 jump c" (i + 1)
        print "ip saddr 10.0.0.1 counter"
        print "}"
    }
    print "chain input {"
    print "type filter hook input priority 0; policy accept;"
    print "udp dport 10000 meta nftrace set 1"
    for (i = 1; i <= 500; i += 15) print "udp dport 10000 jump c" i
    print "}"
    print "}"
}' >"$W/deep"
rules server <"$W/deep"
listen server udp 10.0.0.2:10000
monitor_trace server

for backend in points trace-hook; do
    nfscope_run trace --json --ring-size 64M --backend $backend \
        'udp dst port 10000 or udp dst port 10002'
    # reading 20,000 rules takes its time where processors are emulated; packets
    # of before have no texts
    for _ in $(seq 30); do
        send client udp 10.0.0.2:10002 >/dev/null
        sleep 3
        ! grep -q '"rule":"udp dport 10002' "$EVENTS" || break
    done
    settle
    : >"$EVENTS"
    send client udp 10.0.0.2:10000
    await_events 1100
    grep VmHWM "/proc/$NFSCOPE/status"
    memory=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$NFSCOPE/status")
    nfscope_stop
    trees --whole
    expect_events lost 0
    expect_decisions server
    # 500 chains, 34 of them from the base chain; the deepest are 15 jumps down
    expect_events trace 500 step=rule verdict=jump
    expect_events trace 500 step=end 'depth>=1'
    expect_events trace 33 step=rule verdict=continue depth=15
    expect_events trace 0 'depth>=16'
    expect_events trace 1 step=rule chain=input table=long comment=found
    expect_events trace 1 step=policy table=long
    # of the 20,000 the other ones are counted
    expect_events trace 1 not_matched.0.rules=19999
    # the ring, which is mapped twice over its length, is most of it
    [ "$memory" -le 400000 ] || fail "nfscope took $memory kB"
done
