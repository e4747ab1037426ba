# A rule of the ip family drops at input; the next one does not get the blame.
topology 4
rules server <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority -10; policy accept;
        udp dport 9999 drop
        udp dport 10000 counter drop
        udp dport 10000 drop
    }
}
EOF
wanted=$(handle server "udp dport 10000 counter")
nfscope_start
send client udp 10.0.0.2:10000 --count 5 --port 4000 --size 32
nfscope_stop

# The counter's values are those of the last listing.
expect_drops 5 cause.kind=nft_rule
expect_drops 5 cause.family=ip cause.table=filter cause.chain=input cause.hook=input \
    cause.priority=-10 cause.handle="$wanted" cause.verdict=drop "cause.rule~udp dport 10000 counter" \
    packet.transport.protocol=udp packet.transport.source=4000 packet.ip.length=60 \
    packet.ip.protocol=17 packet.ethertype=2048
