# Which packets are selected, and how they are shown.
# timeout: 200
# kernels: 5.10 6.12 7.2
topology 4
for name in client server; do
    rules "$name" <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop
    }
    chain output {
        type filter hook output priority filter; policy accept;
    }
}
EOF
done

# it ends by itself when so many packets have ended
nfscope_run trace --json -c 2 udp
send client udp 10.0.0.2:10000 --count 4
nfscope_wait
expect_events trace 2 step=dropped decided=true
expect_events trace 0 'packet_id>=5'

# only what is seen in one namespace
nfscope_run trace --json --netns server udp
send client udp 10.0.0.2:10000
nfscope_stop
expect_events trace 1 step=enter chain=input netns.name=server packet_id=1
expect_events trace 0 step=enter chain=output

# only what passes a device
nfscope_run trace --json -i lo udp
send client udp 10.0.0.2:10000
send client udp 10.0.0.1:10000
nfscope_stop
expect_events trace 1 step=enter chain=input in_device.name=lo
expect_events trace 0 packet.ip.destination=10.0.0.2

# only what one process sends, from there on; and of that only one echo's number
mkfifo "$W/go"
# shellcheck disable=SC2016
within client bash -c 'echo $$ >"$1"; read -r <"$2"
    nfscope-guest send icmp 10.0.0.2 --id 4711
    exec nfscope-guest send icmp 10.0.0.2 --id "$3" --count 2' - "$W/pid" "$W/go" 4712 &
sender=$!
until [ -s "$W/pid" ]; do sleep 0.1; done
nfscope_run trace --json --pid "$(cat "$W/pid")" 'icmp[4:2] = 4712'
send client icmp 10.0.0.2 --id 4712
echo >"$W/go"
wait "$sender"
nfscope_stop
expect_events trace 2 step=enter chain=output
expect_events trace 2 step=enter chain=input netns.name=server
expect_events trace 0 packet.ip.source=10.0.0.2

# a filter that asks anew at each chain follows nobody
nfscope_run trace --json --no-follow udp
send client udp 10.0.0.2:10000
nfscope_stop
expect_events trace 2 step=enter
expect_events trace 0 step=cloned

# as text: a tree, a stream
nfscope_run trace udp
send client udp 10.0.0.2:10000
nfscope_stop
expect_text 'packet 1  netns client  IP 10.0.0.1.'
expect_text '  output  ip filter output, priority 0  eth0 out'
expect_text 'udp dport 10000 drop -> drop ('
expect_text '  dropped'
expect_text '1 packet, '
nfscope_run trace --stream -n udp
send client udp 10.0.0.2:10000
nfscope_stop
expect_text '  1  input  ip filter input, priority 0  eth0 in'

status=0
nfscope trace 'udp port' 2>"$ERRORS" || status=$?
expect_equal "status" "$status" 2
