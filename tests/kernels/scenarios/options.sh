# What the options choose.
# timeout: 150
# kernels: 5.10 6.12 7.2
topology 4
rules server <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop
        udp dport 10001 accept
    }
}
table ip more {
    chain pre {
        type filter hook prerouting priority 0; policy accept;
        udp dport 10002 drop
    }
    chain input {
        type filter hook input priority 10; policy drop;
        udp dport 10001 accept
    }
}
EOF
rules client <<'EOF'
table ip filter {
    chain output {
        type filter hook output priority filter; policy accept;
        udp dport 10003 drop
    }
}
EOF
# Two by a rule at input, three by the kernel, one at prerouting, one at
# output, four by the policy.
traffic() {
    send client udp 10.0.0.2:10000 --count 2
    send client udp 10.0.0.2:10001 --count 3
    send client udp 10.0.0.2:10002
    send client udp 10.0.0.2:10003
    send client udp 10.0.0.2:10004 --count 4
}
nfscope_start --cause nft
traffic
nfscope_stop
expect_drops 4
expect_drops 4 cause.kind=nft_rule

nfscope_start --cause policy
traffic
nfscope_stop
expect_drops 4
expect_drops 4 cause.kind=nft_policy

nfscope_start --hook prerouting
traffic
nfscope_stop
expect_drops 1
expect_drops 1 cause.hook=prerouting

nfscope_start --netns client udp
traffic
nfscope_stop
expect_drops 1
expect_drops 1 netns.name=client cause.hook=output

if has_reasons; then
    nfscope_start --reason NO_SOCKET udp
    traffic
    nfscope_stop
    expect_drops 3
    expect_drops 3 cause.reason=NO_SOCKET
fi

nfscope_start -c 2 udp port 10004
traffic
nfscope_wait
expect_drops 2

nfscope_start --duration 1
nfscope_wait

nfscope_start --stack udp port 10000
traffic
nfscope_stop
expect_drops 2 stack.0 stack.3

nfscope_run drops --summary udp
traffic
nfscope_stop
expect_text "udp dport 10000 drop"
