# Two hosts behind a router, with a vxlan and an ipip tunnel between the hosts:
# a packet stays one packet through encapsulation, forwarding and
# decapsulation, in three namespaces, until its socket has it. The decisions
# are those of the kernel's own trace in each namespace.
# timeout: 400
# kernels: 5.10 6.12 7.2
router_topology
# Neighbours are known before: what waits for one is copied, and ARP would be in
# the tunnel, too.
links client <<'LINKS'
link add vx address 02:00:00:00:00:01 up type vxlan id 7 remote 10.0.1.2 local 10.0.0.1 dstport 4789
link add ipip1 up type ipip remote 10.0.1.2 local 10.0.0.1
addr add 10.7.0.1/24 dev vx
neigh add 10.7.0.2 lladdr 02:00:00:00:00:02 dev vx nud permanent
addr add 10.8.0.1/24 dev ipip1
LINKS
links server <<'LINKS'
link add vx address 02:00:00:00:00:02 up type vxlan id 7 remote 10.0.0.1 local 10.0.1.2 dstport 4789
link add ipip1 up type ipip remote 10.0.0.1 local 10.0.1.2
addr add 10.7.0.2/24 dev vx
neigh add 10.7.0.1 lladdr 02:00:00:00:00:01 dev vx nud permanent
addr add 10.8.0.2/24 dev ipip1
LINKS
for name in client router server; do
    rules $name <<'RULES'
table ip t {
    chain traced_out {
        type filter hook output priority -500; policy accept;
        udp dport { 4789, 10000 } meta nftrace set 1
        ip protocol 4 meta nftrace set 1
    }
    chain traced_in {
        type filter hook prerouting priority -500; policy accept;
        udp dport { 4789, 10000 } meta nftrace set 1
        ip protocol 4 meta nftrace set 1
    }
    chain input {
        type filter hook input priority 0; policy accept;
        udp dport 10000 counter accept
    }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ip protocol 4 counter accept
        udp dport 4789 counter accept
        udp dport 10000 counter accept
    }
    chain postrouting {
        type filter hook postrouting priority 0; policy accept;
    }
}
RULES
done
listen server udp 0.0.0.0:10000
within client ping -qc1 10.0.1.2 >/dev/null

for name in client router server; do
    monitor_trace $name
done
# way BACKEND ADDRESS: one packet from the client to the server
way() {
    nfscope_run trace --json --backend "$1" udp dst port 10000
    send client udp "$2:10000"
    nfscope_stop
    trees --whole
    expect_events lost 0
    for name in client router server; do
        expect_decisions $name
    done
    # one packet all the way: a copy or a new one would have another number
    expect_events trace 0 "packet_id!=1"
    expect_events trace 1 step=enter netns.name=router hook=forward
    expect_events trace 1 step=delivered netns.name=server socket.protocol=udp
}
for backend in points trace-hook; do
    way $backend 10.0.1.2
    expect_events trace 1 step=rule netns.name=router 'rule~dport 10000 counter'
    # inside: output and postrouting of the inner packet, then of the outer one
    way $backend 10.7.0.2
    expect_events trace 1 step=enter netns.name=client hook=postrouting packet.ip.destination=10.7.0.2
    expect_events trace 1 step=enter netns.name=client hook=postrouting packet.ip.destination=10.0.1.2 \
        packet.transport.destination=4789
    expect_events trace 1 step=rule netns.name=router 'rule~dport 4789 counter'
    expect_events trace 1 step=enter netns.name=server hook=input packet.transport.destination=4789
    expect_events trace 1 step=enter netns.name=server hook=input packet.transport.destination=10000 \
        in_device.name=vx
    way $backend 10.8.0.2
    expect_events trace 1 step=enter netns.name=client hook=postrouting packet.ip.protocol=4
    expect_events trace 1 step=rule netns.name=router 'rule~ipencap counter'
    expect_events trace 1 step=enter netns.name=server hook=input packet.ip.protocol=4
    expect_events trace 1 step=enter netns.name=server hook=input packet.transport.destination=10000 \
        in_device.name=ipip1
done

# Forwarded into a tunnel: the router takes the packet from the client and wraps it.
links router <<'LINKS'
link add ipip2 up type ipip remote 10.0.1.2 local 10.0.1.254
addr add 10.9.0.1/24 dev ipip2
LINKS
links server <<'LINKS'
link add ipip2 up type ipip remote 10.0.1.254 local 10.0.1.2
addr add 10.9.0.2/24 dev ipip2
LINKS
nfscope_run trace --json udp dst port 10000
send client udp 10.9.0.2:10000
nfscope_stop
trees --whole
expect_events trace 0 "packet_id!=1"
expect_events trace 1 step=enter netns.name=router hook=forward packet.ip.destination=10.9.0.2
expect_events trace 1 step=enter netns.name=router hook=postrouting packet.ip.protocol=4
expect_events trace 1 step=delivered netns.name=server
