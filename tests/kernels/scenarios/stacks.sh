# The stacks with which the kernel comes to a function of a module: as often as
# bpftrace counts, by stack and processor, for the same packets; the filter; wrong
# targets; nothing is left behind.
# processors: 2
# timeout: 400
# kernels: 5.10 6.12 7.2
NFSCOPE_PATIENCE=90
topology 4
rules server <<'RULES'
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        udp dport 10001 redirect to :10000
    }
}
RULES
listen server udp 10.0.0.2:10000
# the neighbour is known before anything is counted
send client udp 10.0.0.2:10000

# counted FILE: each stack's count with its functions in a line, as bpftrace and
# nfscope print them; no module's name, which bpftrace does not print. Of two names
# for one address (5.10 has some) they choose different ones.
counted() {
    sed -e 's/ __softirqentry_text_start+/ __do_softirq+/' \
        -e 's/ asm_call_[a-z]*_on_stack+/ asm_call_on_stack+/' "$1" | awk '/^@\[/ { stack = ""; next }
        /^(, (cpu )?[0-9]+)?\]: / { cpu = $0; gsub(/^, |cpu |\]: .*/, "", cpu)
            print $NF, cpu, stack; next }
        /^    / { stack = stack " " $1 }' | sort
}

# beside PATTERN SCRIPT WORDS… -- TRAFFIC…: nfscope's counts of the stacks that
# have PATTERN are bpftrace's
beside() {
    local pattern=$1 script=$2 words=() theirs
    shift 2
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    set -m
    bpftrace -e "BEGIN { printf(\"ready\\n\"); } $script" >"$W/theirs" 2>&1 </dev/null &
    theirs=$!
    set +m
    nfscope-guest await "$W/theirs" ready --pid "$theirs" --limit 90
    nfscope_run stacks "${words[@]}"
    "$@"
    nfscope_stop
    kill -INT "$theirs"
    wait "$theirs" || true
    counted "$EVENTS" | grep -E "$pattern" >"$W/ours.counted" || fail "no stacks: $(cat "$EVENTS")"
    counted "$W/theirs" | grep -E "$pattern" >"$W/theirs.counted" || fail "bpftrace has none"
    diff "$W/theirs.counted" "$W/ours.counted" || fail "not what bpftrace counted"
}

probed=$(grep -c . /sys/kernel/tracing/enabled_functions || true)
programs() {
    bpftool prog show | grep -c ' name .*  tag' || true
}
before=$(programs)

# on PROCESSOR COMMAND…
on() {
    taskset -cp "$1" "$BASHPID" >"$W/taskset.$1" || fail "no processor $1"
    "${@:2}"
}

# Both processors send at the same time.
some_packets() {
    on 0 send client udp 10.0.0.2:10001 --count 7 &
    local other=$!
    (on 1 send client udp 10.0.0.2:10000 --count 5)
    wait "$other"
    # nobody listens there
    send client udp 10.0.0.2:10009 --count 4
    settle
}
beside nft_nat_do_chain 'kprobe:nft_nat_do_chain { @[kstack, cpu] = count(); }' \
    nft_nat_do_chain --by cpu -- some_packets
for cpu in 0 1; do
    grep -qE "^[0-9]+ $cpu " "$W/ours.counted" || fail "nothing on processor $cpu"
done
expect_text 'nft_nat_do_chain+'
expect_text ', 0 lost'

# Both tracepoints at once, a target each for two copies of the programs. Other
# packets (arp) may come while only one of the two counts.
beside ip_protocol_deliver_rcu \
    'tracepoint:skb:kfree_skb, tracepoint:skb:consume_skb { @[kstack] = count(); }' \
    skb:kfree_skb skb:consume_skb -- some_packets

# Where a function returns, and inside of it.
nfscope_run stacks udp_rcv:ret --json
send client udp 10.0.0.2:10000 --count 3
nfscope_stop
expect_events lost 0
expect_text '"count":3'
for returns in udp_rcv:ret 'udp_rc*:ret'; do
    nfscope_run stacks "$returns" --folded
    send client udp 10.0.0.2:10000 --count 3
    nfscope_stop
    # 5.10 cannot walk over the place that it returns to
    grep -qE '(process_backlog.*;ip_protocol_deliver_rcu|^kretprobe_trampoline) 3$' "$EVENTS" ||
        fail "not the callers of $returns: $(cat "$EVENTS")"
done
nfscope_run stacks udp_rcv udp_rcv+0 --json -c 3
send client udp 10.0.0.2:10000 --count 3
nfscope_wait
expect_text '3 events, '

# As a tree, whose first column holds all events.
nfscope_run stacks skb:kfree_skb skb:consume_skb --tree
some_packets
nfscope_stop
expect_text '# Overhead'
expect_text '--'
events=$(sed -n 's/^\([0-9]*\) events\{0,1\}, .*/\1/p' "$ERRORS")
shown=$(awk '$1 ~ /%$/ { sum += $2 } END { print sum }' "$EVENTS")
expect_equal "the tree's events" "$shown" "$events"

# The filter: only its packets, of each only where the function has it.
nfscope_run stacks udp_rcv --json --by netns udp dst port 10000
send client udp 10.0.0.2:10000 --count 4
send client udp 10.0.0.2:10002 --count 2
nfscope_stop
expect_events stack 1 count=4 netns.name=server
expect_text '4 events, 1 stack, 0 lost'

# A pattern; kprobe-multi where there is one.
nfscope_run stacks 'udp_rc*' 'udp dst port 10000' --folded
send client udp 10.0.0.2:10000 --count 4
nfscope_stop
grep -q 'process_backlog.*;udp_rcv 4$' "$EVENTS" || fail "not four: $(cat "$EVENTS" "$ERRORS")"

# The process that sends, with its own stack; and the CPU.
nfscope_run stacks ip_send_skb --by process,cpu --user --json
(on 1 send client udp 10.0.0.2:10000 --count 2)
nfscope_stop
# two stacks where the program's own ends otherwise: it keeps no frame pointers
expect_text '2 events, '
expect_events stack 1+ process.command=nfscope-guest context=process cpu=1 \
    user_stack.state=whole
for other in process.command!=nfscope-guest context!=process cpu!=1 user_stack.state!=whole; do
    expect_events stack 0 "$other"
done
nfscope_run stacks udp_rcv+0 ip_rcv --by process --json
send client udp 10.0.0.2:10000 --count 2
nfscope_stop
expect_events stack 0 context=process

if has_reasons; then
    nfscope_run stacks skb:kfree_skb --by reason --json udp dst port 10009
    send client udp 10.0.0.2:10009 --count 3
    nfscope_stop
    expect_events stack 1 count=3 reason=NO_SOCKET
fi

# No room: counted and said.
nfscope_run stacks 'udp_*' --max-stacks 1 --json
some_packets
nfscope_stop
expect_events lost 1 place=counts 'count>=1'

nfscope_run stacks udp_rcv --flamegraph "$W/picture.svg" -c 2
send client udp 10.0.0.2:10000 --count 2
nfscope_wait
grep -q 'udp_rcv (2 events, 100' "$W/picture.svg" || fail "no picture"

# wrong STATUS TEXT WORDS…
wrong() {
    local wanted=$1 text=$2 status=0
    shift 2
    nfscope stacks "$@" >"$EVENTS" 2>"$ERRORS" </dev/null || status=$?
    expect_equal "status of stacks $*" "$status" "$wanted"
    expect_text "$text"
}
wrong 2 'udp_rvc: this kernel has no such function; did you mean udp_rcv' udp_rvc
wrong 2 'did you mean skb:kfree_skb' skb:kfree_skp
wrong 2 'this kernel has no such function' ip_rcv udp_rvc
wrong 2 'its arguments are gone' udp_rcv:ret udp
wrong 2 'packets cannot be filtered' sched:sched_switch udp
wrong 2 'no target has a drop reason' udp_rcv --by reason
wrong 2 'syntax error' udp_rcv udp prot 5
wrong 1 'cannot attach to udp_rcv+0x1' udp_rcv+1
status=0
setpriv --reuid nobody --regid nogroup --clear-groups nfscope stacks ip_rcv >"$EVENTS" \
    2>"$ERRORS" || status=$?
expect_equal "status" "$status" 1
expect_text "CAP_"

# Killed, it leaves nothing.
nfscope_run stacks udp_rcv 'tcp_v4_*' skb:kfree_skb ip_rcv:ret
kill -KILL "$NFSCOPE"
wait "$NFSCOPE" || true
for _ in $(seq 50); do
    left=$(grep -c . /sys/kernel/tracing/enabled_functions || true)
    [ "$left $(programs)" = "$probed $before" ] && break
    sleep 0.1
done
expect_equal "the number of functions that are probed" "$left" "$probed"
expect_equal "the number of programs" "$(programs)" "$before"
