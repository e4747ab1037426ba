# Connections and sockets: the id is the one that conntrack shows, packets of an
# established connection show the mapping in their own direction, and what is
# delivered names the socket and the process that holds it.
# timeout: 300
router_topology
rules router <<'RULES'
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr 10.0.0.254 tcp dport 9080 dnat to 10.0.1.2:80
        ip daddr 10.0.0.254 udp dport 9053 dnat to 10.0.1.2:53
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "right" masquerade
    }
}
table ip filter {
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
    }
}
RULES
rules server <<'RULES'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
    }
}
RULES
# conntrack loads ctnetlink, which nfscope does not
before=$(grep -c nf_conntrack_netlink /proc/modules || true)
nfscope_run trace --json udp port 9053
send client udp 10.0.0.254:9053
nfscope_stop
expect_events trace 1 step=enter chain=forward '!conntrack.id'
if [ "$before" = 0 ]; then
    expect_events notice 1 'text~nf_conntrack_netlink'
    expect_equal "ctnetlink" "$(grep -c nf_conntrack_netlink /proc/modules || true)" 0
fi
within router conntrack -L >"$W/table" 2>&1

# A process whose socket is connected for longer than the packet's way.
within server socat -u TCP-LISTEN:80,bind=10.0.1.2,fork OPEN:/dev/null &
socat=$!
for _ in $(seq 50); do
    within server ss -Hltn | grep -q :80 && break
    sleep 0.1
done
mkfifo "$W/words"
nfscope_run trace --json tcp
within client socat -u OPEN:"$W/words" TCP:10.0.0.254:9080 &
exec 7>"$W/words"
echo hello >&7
for _ in $(seq 50); do
    within router conntrack -L -p tcp 2>/dev/null | grep -q ASSURED && break
    sleep 0.1
done
settle
echo again >&7
settle
within router conntrack -L -o id -p tcp >"$W/table" 2>/dev/null
within server ss -Htne state established >"$W/sockets"
nfscope_stop
exec 7>&-
id=$(sed -n 's/.* id=\([0-9]*\).*/\1/p' "$W/table")
[ -n "$id" ] || fail "conntrack shows no id: $(cat "$W/table")"
port=$(sed -n 's/.* sport=80 dport=\([0-9]*\).*/\1/p' "$W/table")

# of the first packet, too: it was in the table when it had passed
expect_events trace 1+ step=enter chain=forward conntrack.state=new conntrack.id="$id"
expect_events trace 1+ step=enter chain=forward conntrack.state=established conntrack.id="$id"
expect_events trace 0 step=enter netns.name=router "conntrack.id!=$id"
# the first packet before it is mapped, then all: there, and back
expect_events trace 1 step=enter chain=prerouting conntrack.state=new '!conntrack.destination_nat'
for state in new established; do
    expect_events trace 1+ step=enter chain=forward conntrack.state="$state" \
        conntrack.is_reply=false conntrack.destination_nat.from=10.0.0.254 \
        conntrack.destination_nat.from_port=9080 conntrack.destination_nat.to=10.0.1.2 \
        conntrack.destination_nat.to_port=80
done
expect_events trace 1+ step=enter chain=forward conntrack.state=established \
    conntrack.source_nat.from=10.0.0.1 conntrack.source_nat.to=10.0.1.254 \
    conntrack.source_nat.to_port="$port"
expect_events trace 1 step=mapped destination.to_port=80 '!source'
expect_events trace 1 step=mapped destination.to_port=80 source.to_port="$port"

# the socket that got it, and who holds it
inode=$(sed -n 's/.* ino:\([0-9]*\).*/\1/p' "$W/sockets" | head -n 1)
[ -n "$inode" ] || fail "ss shows no inode: $(cat "$W/sockets")"
expect_events trace 1+ step=delivered netns.name=server socket.family=inet socket.protocol=tcp \
    socket.kind=stream socket.local=10.0.1.2 socket.local_port=80 socket.remote=10.0.1.254 \
    socket.remote_port="$port" socket.inode="$inode" socket.owners.0.command=socat
# the listener got the first one
listener=$(within server ss -Hltne | sed -n 's/.* ino:\([0-9]*\).*/\1/p')
expect_events trace 1+ step=delivered socket.inode="$listener" '!socket.remote' \
    socket.owners.0.pid="$(pgrep -of 'socat -u TCP-LISTEN')"

# Replies are mapped back: seen where the filter takes them.
nfscope_run trace --json tcp src port 80
printf x | within client socat -t1 - TCP:10.0.0.254:9080
nfscope_stop
expect_events trace 1+ step=enter chain=forward conntrack.is_reply=true \
    conntrack.source_nat.from=10.0.1.2 conntrack.source_nat.from_port=80 \
    conntrack.source_nat.to=10.0.0.254 conntrack.source_nat.to_port=9080 \
    conntrack.destination_nat.from=10.0.1.254 conntrack.destination_nat.to=10.0.0.1

# as text
nfscope_run trace -v tcp
printf x | within client socat -t1 - TCP:10.0.0.254:9080
nfscope_stop
expect_text 'nat: source 10.0.0.1.'
expect_text 'destination 10.0.0.254.9080 -> 10.0.1.2.80'
expect_text 'handed to a socket: tcp 10.0.1.2.80'
expect_text ' of socat (pid '
expect_text 'ct        id '
kill "$socat" 2>/dev/null || true
