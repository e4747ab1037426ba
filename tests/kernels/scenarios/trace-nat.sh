# A container host's NAT, made by iptables-nft: the walk shows each -A line, the
# mark, both mappings and the connection's states; a rule that drops the same
# flow is shown as what did it.
# timeout: 150
router_topology
iptables_router() {
    within router iptables "$@"
}
iptables_router -t nat -N CONTAINERS
iptables_router -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CONTAINERS
iptables_router -t nat -A CONTAINERS -p udp --dport 9080 -j MARK --set-xmark 0x2000/0x2000
iptables_router -t nat -A CONTAINERS -p udp --dport 9080 -j DNAT --to-destination 10.0.1.2:80
iptables_router -t nat -A POSTROUTING -m mark --mark 0x2000/0x2000 -j MASQUERADE
iptables_router -A FORWARD -m conntrack --ctstate NEW -p udp --dport 80 -j ACCEPT
listen server udp 10.0.1.2:80
nfscope_run trace --json udp port 9080
send client udp 10.0.0.254:9080
nfscope_stop

expect_events trace 1 step=enter hook=prerouting chain=PREROUTING table=nat netns.name=router \
    conntrack.state=new conntrack.original.destination=10.0.0.254 \
    conntrack.original.destination_port=9080 conntrack.reply.source=10.0.0.254
expect_events trace 1 step=rule chain=PREROUTING verdict=jump target=CONTAINERS \
    'iptables=-A PREROUTING -m addrtype --dst-type LOCAL -j CONTAINERS'
expect_events trace 1 step=rule chain=CONTAINERS verdict=continue depth=1 \
    'iptables=-A CONTAINERS -p udp -m udp --dport 9080 -j MARK --set-xmark 0x2000/0x2000'
expect_events trace 1 step=rule chain=CONTAINERS verdict=accept depth=1 \
    'iptables=-A CONTAINERS -p udp -m udp --dport 9080 -j DNAT --to-destination 10.0.1.2:80'
expect_events trace 1 step=mapped destination.from=10.0.0.254 destination.from_port=9080 \
    destination.to=10.0.1.2 destination.to_port=80 '!source'
# it stays selected behind the mapping, where the filter no longer matches
expect_events trace 1 step=enter chain=FORWARD packet.ip.destination=10.0.1.2 \
    packet.transport.destination=80 packet.mark=8192 conntrack.state=new
expect_events trace 1 step=rule chain=FORWARD verdict=accept
expect_events trace 1 step=rule chain=POSTROUTING verdict=accept \
    'iptables=-A POSTROUTING -m mark --mark 0x2000/0x2000 -j MASQUERADE'
expect_events trace 1 step=mapped source.from=10.0.0.1 source.to=10.0.1.254 \
    destination.to=10.0.1.2
expect_events trace 1 step=delivered socket.family=inet netns.name=server
expect_events trace 0 step=missing

iptables_router -I FORWARD 1 -p udp -d 10.0.1.2 --dport 80 -j DROP
nfscope_run trace --json udp port 9080
send client udp 10.0.0.254:9080
nfscope_stop
expect_events trace 1 step=rule verdict=drop chain=FORWARD \
    'iptables=-A FORWARD -d 10.0.1.2/32 -p udp -m udp --dport 80 -j DROP'
expect_events trace 1 step=dropped decided=true
