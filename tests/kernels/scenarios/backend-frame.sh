# The rule is found in nft_do_chain's stack frame: no probe at all.
# architectures: amd64 arm64
backend_rules

nfscope drops --backend frame --duration 100ms >/dev/null 2>"$ERRORS" || skip "$(tail -n 1 "$ERRORS")"
nfscope_start --backend frame
# only tracepoints: nothing is attached anywhere else
! bpftool prog list | grep -q kprobe || fail "there is a kprobe program"
expect_backend frame

# Another program on the tracepoint moves the frame, and its end moves it back.
nfscope_start --backend frame
nfscope drops --backend tracepoint >/dev/null 2>"$ERRORS.other" &
other=$!
until grep -q 'nfscope: watching' "$ERRORS.other"; do sleep 0.1; done
send client segment 10.0.0.2:10000 --flags S --count 5 --port 5000
kill -INT $other
wait $other
send client segment 10.0.0.2:10000 --flags S --count 6 --port 6000
nfscope_stop
expect_drops 11 backend=frame cause.handle="$wanted"

# Started beside another one, it learns anew what changes when that goes.
nfscope drops --backend tracepoint >/dev/null 2>"$ERRORS.other" &
other=$!
until grep -q 'nfscope: watching' "$ERRORS.other"; do sleep 0.1; done
nfscope_start --backend frame
send client segment 10.0.0.2:10000 --flags S --count 3 --port 7000
kill -INT $other
wait $other
send client segment 10.0.0.2:10000 --flags S --count 1 --port 8000
sleep 4
send client segment 10.0.0.2:10000 --flags S --count 4 --port 9000
nfscope_stop
expect_drops 3 backend=frame cause.handle="$wanted" packet.transport.source=7000
expect_drops 4 backend=frame cause.handle="$wanted" packet.transport.source=9000
# Trace events are run from one place, however many: there nothing moves.
if grep -q '"type":"lost"' "$EVENTS"; then
    expect_text "moves nft_do_chain's stack frame: it was found again"
    expect_events lost 1 place=attribution count=1
    expect_drops 1 cause.kind=kernel packet.transport.source=8000
else
    expect_drops 1 backend=frame cause.handle="$wanted" packet.transport.source=8000
fi
