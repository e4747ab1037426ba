# A process is named for what happens in its own context, and for nothing that
# an interrupt does in its time.
# architectures: amd64 arm64
topology 4
rules client <<'EOF'
table ip filter {
    chain output {
        type filter hook output priority filter; policy accept;
        udp dport 10000 drop
    }
}
EOF
rules server <<'EOF'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10001 drop
    }
}
EOF
nfscope_start
within client bash -c 'echo $$ >"$W/pid"; exec nfscope-guest send udp 10.0.0.2:10000 --count 2'
send client udp 10.0.0.2:10001 --count 3
nfscope_stop

expect_drops 5 cause.kind=nft_rule
expect_drops 2 cause.hook=output process.command=nfscope-guest process.pid="$(cat "$W/pid")" \
    netns.name=client
expect_drops 3 cause.hook=input '!process' netns.name=server
