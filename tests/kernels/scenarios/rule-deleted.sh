# A rule that is deleted right behind its drop still gets its text.
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop comment "was here"
    }
}
EOF
wanted=$(handle server "was here")
nfscope_start
send client udp 10.0.0.2:10000
# The first event is written once the ruleset has been read.
await_events 1
send client udp 10.0.0.2:10000 --count 2
within server nft delete rule inet filter input handle "$wanted"
send client udp 10.0.0.2:10000 --count 2
nfscope_stop

expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.kind=nft_rule cause.handle="$wanted" cause.table=filter cause.chain=input \
    "cause.rule=udp dport 10000 drop comment \"was here\"" "cause.comment=was here"
