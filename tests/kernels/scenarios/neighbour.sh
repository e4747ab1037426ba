# A neighbour that does not answer.
# timeout: 90
topology 4
within client sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=200
nfscope_start
send client udp 10.0.0.9:10000 --count 2
sleep 2
nfscope_stop

if has_reasons; then
    expect_drops 2 cause.kind=kernel cause.reason=NEIGH_FAILED cause.hint \
        packet.ip.destination=10.0.0.9 packet.transport.destination=10000
else
    expect_drops 2 cause.function~neigh packet.ip.destination=10.0.0.9 \
        packet.transport.destination=10000
fi
