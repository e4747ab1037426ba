# A datagram for a port without a listener: the kernel's own reason.
topology
nfscope_start
send client udp 10.0.0.2:9 --count 3
send client udp '[fd00::2]:9' --count 2
nfscope_stop

expect_drops 0 cause.kind=nft_rule
expect_drops 0 cause.kind=nft_policy
if has_reasons; then
    expect_drops 3 cause.kind=kernel cause.reason=NO_SOCKET cause.function~udp cause.explanation \
        cause.hint packet.ip.destination=10.0.0.2 packet.transport.destination=9 netns.name=server
    expect_drops 2 cause.kind=kernel cause.reason=NO_SOCKET cause.function~udp \
        packet.ip.destination=fd00::2 packet.transport.destination=9
else
    expect_drops 3 '!cause.reason' cause.function~udp packet.ip.destination=10.0.0.2
    expect_drops 2 '!cause.reason' cause.function~udp packet.ip.destination=fd00::2
fi
