# A VLAN tag, in the frame or taken out of it, is part of the packet.
topology 4
for name in client server; do
    ip -n $name link add link eth0 name eth0.5 type vlan id 5
    ip -n $name link set eth0.5 up
done
ip -n client addr add 10.5.0.1/24 dev eth0.5
ip -n server addr add 10.5.0.2/24 dev eth0.5
rules server <<'EOF'
table netdev tagged {
    chain ingress {
        type filter hook ingress device "eth0" priority 0; policy accept;
        vlan id 5 udp dport 10000 drop
    }
}
EOF
wanted=$(handle server "vlan id 5")
nfscope_start
send client udp 10.5.0.2:10000 --count 3
send client udp 10.5.0.2:10001
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.kind=nft_rule cause.handle="$wanted" packet.vlan.0.id=5 \
    packet.vlan.0.protocol=33024 packet.ip.destination=10.5.0.2 packet.transport.destination=10000
