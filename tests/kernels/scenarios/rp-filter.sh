# A packet whose source has no way back through the same device.
topology 4
within server sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1
ip -n client addr add 192.0.2.1/32 dev eth0
# There is a route back, elsewhere.
ip -n server link add other type dummy
ip -n server link set other up
ip -n server route add 192.0.2.0/24 dev other
# An ARP request by that source would get no answer.
send client udp 10.0.0.2:10000
nfscope_start
send client udp 10.0.0.2:10000 --from 192.0.2.1 --count 3
nfscope_stop

if has_reasons; then
    expect_drops 3 cause.kind=kernel cause.reason=IP_RPFILTER cause.hint packet.ip.source=192.0.2.1 \
        netns.name=server device.name=eth0
else
    expect_drops 3 cause.function~ip_rcv packet.ip.source=192.0.2.1 netns.name=server
fi
