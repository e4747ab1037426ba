# What is shown of each protocol's headers.
topology
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        meta nfproto ipv4 meta l4proto { tcp, udp, sctp, icmp } drop
        meta nfproto ipv6 meta l4proto { tcp, udp, sctp } drop
        icmpv6 type echo-request drop
    }
}
EOF
nfscope_start
for host in 10.0.0.2 '[fd00::2]'; do
    send client udp "$host:10000" --port 4000 --ttl 33
    send client segment "$host:10000" --port 4000 --flags FP.U
    send client sctp "$host:10000" --port 4000
done
send client icmp 10.0.0.2 --id 77 --count 2
send client icmp fd00::2 --id 78 --count 2
nfscope_stop

expect_drops 10 cause.kind=nft_rule
for host in 10.0.0.2 fd00::2; do
    for protocol in udp:17 tcp:6 sctp:132; do
        expect_drops 1 cause.kind=nft_rule packet.ip.destination=$host \
            packet.transport.protocol="${protocol%:*}" packet.ip.protocol="${protocol#*:}" \
            packet.transport.source=4000 packet.transport.destination=10000
    done
    expect_drops 1 packet.ip.destination=$host packet.transport.protocol=udp packet.ip.ttl=33
    expect_drops 1 packet.ip.destination=$host packet.transport.protocol=tcp \
        packet.transport.seq=1000 packet.transport.ack=1 packet.transport.window=1024 \
        packet.transport.flags~F packet.transport.flags~P packet.transport.flags~.
done
expect_drops 1 packet.transport.protocol=icmp packet.transport.icmp_type=8 \
    packet.transport.code=0 packet.transport.id=77 packet.transport.sequence=2
expect_drops 1 packet.transport.protocol=icmpv6 packet.transport.icmp_type=128 \
    packet.transport.id=78 packet.transport.sequence=1
expect_drops 10 cause.kind=nft_rule packet.link.source packet.link.destination packet.skb>=1
