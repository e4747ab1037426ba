# The kernel functions that a packet passes: exactly those that the kernel's own
# function tracer sees meanwhile, in its order, from where the packet is first
# seen to its socket, with the hooks between them.
# timeout: 300
# kernels: 5.10 6.12 7.2
topology 4
rules server <<'RULES'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 counter accept
        udp dport 10001 drop
    }
}
RULES
listen server udp 10.0.0.2:10000
# the neighbour is known before anything is counted
send client udp 10.0.0.2:10000

# passed: the functions and chains on the way of packet 1
passed() {
    sed -n 's/.*"packet_id":1,.*"step":"function","function":"\([^"]*\)".*/\1/p
            s/.*"packet_id":1,.*"step":"enter".*"chain":"\([^"]*\)".*/chain \1/p' "$EVENTS"
}

probed=$(grep -c . /sys/kernel/tracing/enabled_functions || true)

# The default set, in a well-known order around the chain.
nfscope_run trace --functions --json udp port 10000
send client udp 10.0.0.2:10000
nfscope_stop
expect_events lost 0
expect_events trace 0 step=missing
wanted="ip_send_skb __dev_queue_xmit dev_hard_start_xmit ip_rcv chain input udp_rcv"
found=$(passed | grep -Fx "$(printf '%s\n' ${wanted/chain input/} 'chain input')" | uniq | xargs)
expect_equal "the way" "$found" "$wanted"
expect_events trace 1 step=function function=ip_send_skb sequence=1 offset_ns=0 '!traversal' \
    netns.name=client packet.transport.destination=10000 packet.ip.source=10.0.0.1
expect_events trace 1 step=function function=udp_rcv netns.name=server 'offset_ns>=1' '!packet'
expect_events trace 1 step=delivered

# What the kernel's tracer says.
functions="ip_send_skb ip_local_out __ip_local_out ip_output __dev_queue_xmit dev_hard_start_xmit ip_rcv
    nf_hook_slow ip_local_deliver udp_rcv __udp4_lib_rcv __udp_enqueue_schedule_skb"
cd /sys/kernel/tracing
echo >set_ftrace_filter
for name in $functions; do
    echo "$name" >>set_ftrace_filter 2>/dev/null || echo "not traceable here: $name"
done
cd "$W"
nfscope_run trace --functions="$(xargs </sys/kernel/tracing/set_ftrace_filter | tr ' ' ,)" --json udp port 10000
echo function >/sys/kernel/tracing/current_tracer
echo >/sys/kernel/tracing/trace
send client udp 10.0.0.2:10000
settle
grep -v '^#' /sys/kernel/tracing/trace | sed 's/ <-.*//; s/.* //' >"$W/traced"
echo nop >/sys/kernel/tracing/current_tracer
echo >/sys/kernel/tracing/set_ftrace_filter
nfscope_stop
passed | grep -v ^chain >"$W/passed"
[ "$(wc -l <"$W/traced")" -ge 8 ] || fail "the tracer saw $(wc -l <"$W/traced") functions"
diff "$W/traced" "$W/passed" || fail "the kernel's tracer saw another way"

# A pattern that holds no place to select at: from the first chain on.
nfscope_run trace --functions='udp_*,__udp*' --json udp port 10000
send client udp 10.0.0.2:10000
nfscope_stop
expect_events trace 1 step=enter sequence=1
expect_events trace 1 step=function function=udp_rcv '!packet'
expect_events trace 0 step=function function=ip_rcv

# As text, and with functions of modules where the kernel has their types.
nfscope_run trace -v --functions='default,nft_do_chain*,nf_*' udp port 10001
send client udp 10.0.0.2:10001
nfscope_stop
expect_text 'packet 1  netns client  IP 10.0.0.1.'
expect_text ' us  ip_send_skb'
expect_text ' us  ip_rcv'
expect_text 'udp dport 10001 drop -> drop ('
expect_text '  dropped'
if [ -e /sys/kernel/btf/nf_tables ]; then
    expect_text ' us  nft_do_chain_ipv4 [nf_tables]'
fi
nfscope_run trace --stream --functions udp port 10001
send client udp 10.0.0.2:10001
nfscope_stop
expect_text 'us  ip_rcv'

# Killed, its probes are gone.
nfscope_run trace --functions udp port 10001
kill -KILL "$NFSCOPE"
wait "$NFSCOPE" || true
for _ in $(seq 50); do
    left=$(grep -c . /sys/kernel/tracing/enabled_functions || true)
    [ "$left" = "$probed" ] && break
    sleep 0.1
done
expect_equal "the number of functions that are probed" "$left" "$probed"

status=0
nfscope trace --functions='no_such*' 2>"$ERRORS" || status=$?
expect_equal "status" "$status" 2
