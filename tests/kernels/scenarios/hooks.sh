# A drop at each hook that a routed packet passes is put there.
router_topology
rules router <<'EOF'
table ip filter {
    chain pre {
        type filter hook prerouting priority raw; policy accept;
        udp dport 10001 drop
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        udp dport 10002 drop
    }
    chain post {
        type filter hook postrouting priority srcnat; policy accept;
        udp dport 10003 drop
    }
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10004 drop
    }
    chain output {
        type filter hook output priority filter; policy accept;
        udp dport 10005 drop
    }
}
EOF
nfscope_start
for port in 10001 10002 10003; do
    send client udp "10.0.1.2:$port" --count 2
done
send client udp 10.0.0.254:10004 --count 2
send router udp 10.0.1.2:10005 --count 2
nfscope_stop

expect_drops 10 cause.kind=nft_rule netns.name=router
while read -r port chain hook priority; do
    expect_drops 2 cause.kind=nft_rule cause.chain="$chain" cause.hook="$hook" \
        cause.priority="$priority" cause.handle="$(handle router "dport $port drop")" \
        packet.transport.destination="$port"
done <<'EOF'
10001 pre prerouting -300
10002 forward forward 0
10003 post postrouting 100
10004 input input 0
10005 output output 0
EOF
expect_drops 2 cause.chain=forward in_device.name=left out_device.name=right
