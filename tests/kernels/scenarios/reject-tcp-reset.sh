# A reject with a reset.
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport 10000 reject with tcp reset
    }
}
EOF
wanted=$(handle server "reject with tcp reset")
nfscope_start
said=$(send client tcp 10.0.0.2:10000 --count 3 --wait 800)
nfscope_stop

expect_equal "what the client saw" "$said" "3 refused"
expect_drops 3 cause.kind=nft_rule
expect_drops 3 cause.handle="$wanted" cause.verdict=reject "cause.sent=tcp reset" \
    "cause.rule=tcp dport 10000 reject with tcp reset" packet.transport.flags=S
