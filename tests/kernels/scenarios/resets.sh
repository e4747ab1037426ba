# TCP resets by cause, on their way through a router that translates addresses:
# who sent them, in which state, why, and as many as the kernel counts.
# timeout: 300
NFSCOPE_PATIENCE=90
router_topology
within router sysctl -qw net.ipv6.conf.left.disable_ipv6=0
within client sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
ip -n router addr add fd00::fe/64 dev left nodad
ip -n client addr add fd00::1/64 dev eth0 nodad
within server sysctl -qw net.ipv4.tcp_abort_on_overflow=1
rules router <<'RULES'
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 8080 dnat to 10.0.1.2:80
    }
}
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        ct state invalid counter
        tcp dport 10000 reject with tcp reset
    }
}
RULES
rejects=$(handle router "reject with tcp reset")
# what arrives is counted; no probe of keepalive gets through, nor an answer to 107
for name in client server; do
    rules "$name" <<'RULES'
table inet count {
    chain prerouting {
        type filter hook prerouting priority filter; policy accept;
        tcp flags & rst == rst counter
        tcp sport { 104, 114 } tcp flags & (syn | rst) == 0 drop
        tcp dport 107 tcp flags & rst == 0 drop
    }
}
RULES
done
listen server tcp 10.0.1.2:80

counted() {
    within "$1" awk -v name="$2" '$1 != kind { kind = $1; split($0, names); next }
        { for (i in names) if (names[i] == name) print $i }' /proc/net/snmp /proc/net/netstat
}
# what the kernel counts, before and behind
for name in client router server; do
    for what in OutRsts EstabResets TCPAbortOnMemory; do
        declare "before_${name}_$what=$(counted "$name" "$what")"
    done
done

# One process has both ends of each connection; it waits between the steps.
cat >"$W/ends.py" <<'PYTHON'
import os, socket, struct, sys

SERVER = '10.0.1.2'
kept = []
# for all namespaces; they have no file of it
orphans = os.open('/proc/sys/net/ipv4/tcp_max_orphans', os.O_RDWR)

def make(name, family=socket.AF_INET):
    with open('/run/netns/' + name) as namespace:
        os.setns(namespace.fileno(), os.CLONE_NEWNET)
    made = socket.socket(family)
    kept.append(made)
    return made

def listener(port, backlog=8):
    made = make('server')
    made.bind((SERVER, port))
    made.listen(backlog)
    return made

def client(port):
    made = make('client')
    made.connect((SERVER, port))
    return made

def pair(port):
    listening = listener(port)
    connected = client(port)
    accepted = listening.accept()[0]
    kept.append(accepted)
    return connected, accepted

def gone(end):
    end.settimeout(30)
    try:
        assert not end.recv(1), 'data'
    except ConnectionResetError:
        return
    raise SystemExit('no reset came')

def failed(end):
    while not end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        pass

FIN_WAIT2, CLOSE = 5, 7
def half_close(end):
    end.shutdown(socket.SHUT_WR)
    while end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != FIN_WAIT2:
        pass

# A raw socket of the client: what it receives, and what it makes.
def seen(sniffer, source, destination, flags=0):
    while True:
        packet = sniffer.recv(128)[20:]
        *ports, seq, ack, _, found = struct.unpack('!HHIIBB', packet[:14])
        if ports == [source, destination] and found & flags == flags:
            return seq, ack

def forge(sniffer, address, source, destination, seq, ack, flags):
    addresses = socket.inet_aton('10.0.0.1') + socket.inet_aton(address)
    segment = struct.pack('!HHIIBBHHH', source, destination, seq & 0xffffffff, ack & 0xffffffff,
                          0x50, flags, 1024, 0, 0)
    words = struct.unpack('!16H', addresses + struct.pack('!HH', 6, 20) + segment)
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    sniffer.sendto(segment[:16] + struct.pack('!H', total ^ 0xffff) + segment[18:], (address, 0))

# unread data
there, here = pair(101)
there.send(b'x')
here.recv(1, socket.MSG_PEEK)
here.close()
gone(there)
# no time to linger
there, here = pair(102)
here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
here.close()
gone(there)
# data for a socket that was closed
there, here = pair(103)
here.close()
assert not there.recv(1)
there.send(b'x')
there.settimeout(30)
failed(there)
# nobody answers
there, here = pair(104)
here.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
    here.setsockopt(socket.IPPROTO_TCP, option, 1)
gone(there)
# a listener is closed before it accepts
listening = listener(105)
there = client(105)
listening.close()
gone(there)
# a listener's queue is full: data completes a connection; of two that wait for
# it one gets the last place
listening = listener(106, 2)
listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
for _ in range(2):
    client(106).send(b'x')
one, another = client(106), client(106)
one.send(b'x')
another.send(b'x')
gone(another)
# a connection that is being made
waits = make('client')
waits.bind(('10.0.0.1', 4107))
waits.setblocking(False)
try:
    waits.connect((SERVER, 107))
except BlockingIOError:
    pass
# one that is translated, and one that is ended from outside
through = make('client')
sniffer = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
through.bind(('10.0.0.1', 4208))
through.connect(('10.0.0.254', 8080))
there, here = pair(109)
# acknowledges what was not sent through the router, which does not translate it
theirs, ours = seen(sniffer, 8080, 4208)
forge(sniffer, '10.0.0.254', 4208, 8080, ours, theirs + 100000000, 0x10)
# does not wait for the peer's FIN (TCP_LINGER2)
there, here = pair(111)
here.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, -1)
half_close(here)
here.close()
assert not there.recv(1)
failed(there)
# a SYN for a connection of which only the kernel knows, until the peer has closed it, too
there, here = pair(112)
port = there.getsockname()[1]
half_close(here)
here.close()
assert not there.recv(1)
_, ours = seen(sniffer, 112, port, 1)
forge(sniffer, SERVER, port, 112, ours, 0, 2)
seen(sniffer, 112, port, 4)
# over IPv6
listening = make('router', socket.AF_INET6)
listening.bind(('fd00::fe', 113))
listening.listen()
there = make('client', socket.AF_INET6)
there.connect(('fd00::fe', 113))
here = listening.accept()[0]
here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
here.close()
gone(there)
# More closed sockets than may be: they die when they are closed, or when they send again.
# 5.10 counts them by 32, later kernels ten times a second.
listening = listener(114)
allowed = os.pread(orphans, 32, 0)
os.pwrite(orphans, b'0', 0)
try:
    dead, alive = 0, []
    while dead < 3 or not alive:
        there = client(114)
        listening.accept()[0].close()
        if there.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 1)[0] == CLOSE:
            dead += 1
        else:
            alive.append(there)
    for there in alive:
        gone(there)
finally:
    os.pwrite(orphans, allowed, 0)
print('ready', flush=True)
sys.stdin.readline()
through.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
through.close()
waits.close()
print('done', flush=True)
sys.stdin.readline()
PYTHON

nfscope_run resets --json --stack
mkfifo "$W/steps"
python3 "$W/ends.py" <"$W/steps" >"$W/ends" 2>&1 &
ends=$!
exec 3>"$W/steps"
nfscope-guest await "$W/ends" ready --pid "$ends" --limit 120 || fail "$(cat "$W/ends")"
send client tcp 10.0.0.254:9 --wait 800
send client tcp '[fd00::fe]:9' --wait 800
send client tcp 10.0.0.254:10000 --wait 800
send client tcp '[fd00::fe]:10000' --wait 800
# INVALID, too, but conntrack has no words for it
within router sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
send client segment 10.0.0.254:9 --port 4300
# acknowledges what the client has not sent
send server segment 10.0.0.1:4107 --flags S. --port 107
send client segment 10.0.1.2:80 --flags R --port 4999
send client tcp 10.0.1.2:80 --port 4110 --wait 800 --disconnect
killed=$(within server ss --kill --tcp --no-header state established 'sport = :109' | wc -l)
echo >&3
nfscope-guest await "$W/ends" "done" --pid "$ends" --limit 120
nfscope_stop

for name in client router server; do
    for what in OutRsts EstabResets TCPAbortOnMemory; do
        before=before_${name}_$what
        declare "grown_${name}_$what=$(($(counted "$name" "$what") - ${!before}))"
    done
done
arrived() {
    within "$1" nft list chain inet count prerouting | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}
arrived_client=$(arrived client) arrived_server=$(arrived server)
echo >&3
wait "$ends"

expect_events lost 0
from_server() {
    expect_events reset 1 direction=sent netns.name=server source_port="$@"
    expect_events reset 1 direction=forwarded netns.name=router source_port="$1"
}
closed="state=established context=process process.pid=$ends process.command=python3"
# shellcheck disable=SC2086
from_server 101 cause=unread_data $closed
# shellcheck disable=SC2086
from_server 102 cause=linger $closed
from_server 103 cause=data_after_close state=fin-wait-2 answers.length=1
from_server 104 cause=timeout state=established owners.0.pid="$ends"
# shellcheck disable=SC2086
from_server 105 cause=listen_queue $closed
from_server 106 cause=listen_queue state=listen answers.length=1
expect_events reset 1 direction=sent netns.name=client source_port=4110 cause=disconnected \
    state=established process.command=nfscope-guest
expect_events reset 1 direction=received netns.name=server source_port=4110 accepted=true
# the kernel tells it from other ends of a socket that was shut down
linger2=closed
grep -q TCP_ABORT_ON_LINGER /sys/kernel/tracing/events/tcp/tcp_send_reset/format && linger2=linger
from_server 111 cause="$linger2" state=fin-wait-2 process.pid="$ends"
# where the kernel has no reason, a reset at close may have three
memory=closed
grep -q TCP_ABORT_ON_MEMORY /sys/kernel/tracing/events/tcp/tcp_send_reset/format &&
    memory=out_of_memory
orphans="netns.name=server source_port=114 state=fin-wait-1 direction=sent"
# shellcheck disable=SC2086
expect_events reset 3+ $orphans cause="$memory" context=process process.pid="$ends"
# shellcheck disable=SC2086
expect_events reset 1+ $orphans cause=out_of_memory context!=process hint~tcp_max_orphans
# shellcheck disable=SC2086
expect_events reset "$grown_server_TCPAbortOnMemory" $orphans
expect_events reset "$grown_server_TCPAbortOnMemory" direction=received netns.name=client \
    source_port=114 accepted=true state=established
from_server 112 cause=time_wait state=fin-wait-2 answers.flags=S
expect_events reset 1 direction=sent netns.name=router source=fd00::fe source_port=113 \
    cause=linger state=established process.pid="$ends"
expect_events reset 1 direction=received netns.name=client source=fd00::fe source_port=113 \
    accepted=true state=established
[ "$killed" = 0 ] || from_server 109 cause=aborted state=established process.command=ss
for port in 101 102 104 105 106; do
    expect_events reset 1 direction=received netns.name=client source_port="$port" \
        accepted=true state=established source=10.0.1.2 destination=10.0.0.1
done
expect_events reset 1 direction=received netns.name=client source_port=103 state=close-wait
expect_events reset 1 direction=received netns.name=client source_port=111 state=close-wait
expect_events reset 1 direction=received netns.name=client source_port=112 accepted=false
expect_events reset 1 direction=sent netns.name=client source_port=4107 cause=out_of_window \
    state=syn-sent answers.flags=S. segment.seq=1
expect_events reset 1 direction=sent netns.name=client source_port=4208 cause=linger
expect_events reset 1 direction=received netns.name=server source_port=4208 accepted=true
for address in 10.0.0.254 fd00::fe; do
    expect_events reset 1 direction=sent netns.name=router source="$address" source_port=9 \
        cause=no_listener '!state' answers.flags=S '!conntrack_invalid' hint~ss
    expect_events reset 1 direction=received netns.name=client source="$address" source_port=9 \
        accepted=true state=syn-sent
    expect_events reset 1 direction=sent netns.name=router source="$address" source_port=10000 \
        cause=reject_rule rule.handle="$rejects" rule.chain=input '!conntrack_invalid' \
        "rule.rule=tcp dport 10000 reject with tcp reset"
done
expect_events reset 1 direction=sent netns.name=router source_port=8080 cause=no_connection \
    conntrack_invalid~ACK hint~nf_conntrack_tcp_be_liberal
expect_events reset 1 direction=sent source_port=9 destination_port=4300 cause=no_connection \
    conntrack_invalid= answers.flags=.
expect_events reset 2 conntrack_invalid
expect_events reset 1 direction=sent netns.name=client source_port=4999 cause=forged \
    process.command=nfscope-guest
expect_events reset 1 direction=received netns.name=server source_port=4999 accepted=false

# as many as the kernel counts, and as arrive
for name in client router server; do
    sent=grown_${name}_OutRsts ended=grown_${name}_EstabResets
    expect_events reset "${!sent}" direction=sent netns.name="$name" cause!=forged \
        cause!=reject_rule
    found=$(grep '"type":"reset"' "$EVENTS" | grep "\"name\":\"$name\"" |
        grep -cE '"state":"(established|close-wait)"' || true)
    expect_equal "connections ended by resets in $name" "$found" "${!ended}"
done
expect_events reset "$arrived_client" direction=received netns.name=client
expect_events reset "$arrived_server" direction=received netns.name=server
