# The ruleset of the classic article: each rule's drop names that rule, by the
# probe points and by the trace hook.
# architectures: amd64 arm64
# timeout: 90
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        tcp dport 10000 drop
        iifname "lo" accept
        iifname "eth0" udp dport 53 accept
        icmp type echo-request accept
    }
}
EOF
port=$(handle server "tcp dport 10000 drop")
invalid=$(handle server "ct state invalid drop")

for backend in points trace-hook; do
    nfscope_start --backend "$backend"
    send client segment 10.0.0.2:10000 --flags S --count 3 --port 4000
    # Connection tracking calls SYN with FIN invalid.
    send client segment 10.0.0.2:10001 --flags SF --port 4002
    send client segment 10.0.0.2:22 --flags S
    send client icmp 10.0.0.2
    nfscope_stop

    expect_drops 3 backend="${backend/-/_}" cause.kind=nft_rule cause.family=inet \
        cause.table=filter cause.chain=input cause.hook=input cause.priority=0 \
        cause.handle="$port" cause.verdict=drop "cause.rule=tcp dport 10000 drop" \
        packet.transport.protocol=tcp packet.transport.destination=10000 \
        packet.transport.flags=S packet.ip.source=10.0.0.1 packet.ip.destination=10.0.0.2 \
        netns.name=server netns.inode="$(netns_inode server)" device.name=eth0
    expect_drops 1 backend="${backend/-/_}" cause.kind=nft_rule cause.handle="$invalid" \
        "cause.rule=ct state invalid drop"
    expect_drops 1 backend="${backend/-/_}" cause.kind=nft_policy cause.table=filter \
        cause.chain=input cause.policy=drop packet.transport.destination=22
    expect_drops 0 netns.name=server packet.transport.protocol=icmp
done
