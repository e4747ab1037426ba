# A rule at the inet family's ingress hook drops.
topology 4
rules server <<'EOF'
table inet filter {
    chain ingress {
        type filter hook ingress device "eth0" priority 0; policy accept;
        udp dport 10000 drop
    }
}
EOF
wanted=$(handle server "udp dport 10000 drop")
nfscope_start
send client udp 10.0.0.2:10000 --count 3
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.family=inet cause.table=filter cause.chain=ingress cause.hook=ingress \
    cause.handle="$wanted" "cause.rule=udp dport 10000 drop" netns.name=server device.name=eth0
