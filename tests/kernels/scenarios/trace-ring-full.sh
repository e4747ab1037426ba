# More packets than the ring holds: what is lost is counted, and no packet's way
# looks whole that is not.
topology 4
rules server <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 counter
        udp dport 10000 drop
    }
}
EOF
nfscope_run trace --json --ring-size 4K udp port 10000
send client udp 10.0.0.2:10000 --count 300
nfscope_stop
expect_events lost 1+ place=ring
expect_events trace 1+ step=missing 'count>=1'
expect_events trace 1+ step=rule verdict=drop
# with room for all nothing is lost
nfscope_run trace --json --ring-size 4M udp port 10000
send client udp 10.0.0.2:10000 --count 300
nfscope_stop
expect_events lost 0
expect_events trace 0 step=missing
expect_events trace 300 step=rule verdict=drop
