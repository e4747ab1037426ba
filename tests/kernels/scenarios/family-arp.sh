# A rule of the arp family drops requests.
topology 4
rules server <<'EOF'
table arp filter {
    chain input {
        type filter hook input priority filter; policy accept;
        arp operation request arp saddr ip 10.0.0.77 drop
    }
}
EOF
wanted=$(handle server "10.0.0.77 drop")
nfscope_start
send client arp eth0 10.0.0.2 10.0.0.77 --count 3
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.family=arp cause.table=filter cause.chain=input cause.hook=input \
    cause.handle="$wanted" packet.arp.operation=1 packet.arp.sender=10.0.0.77 \
    packet.arp.target=10.0.0.2 packet.ethertype=2054 device.name=eth0
