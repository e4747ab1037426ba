# Rules that live for moments: their text may be unknown, but never another
# rule's, and the handle is always right.
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
    }
}
EOF
nfscope_start
handles=()
for round in 0 1 2 3 4 5 6 7; do
    added=$(within server nft -a -e add rule inet filter input udp dport 10000 drop \
        comment "\"round $round\"")
    [[ $added =~ '# handle '([0-9]+) ]]
    handles+=("${BASH_REMATCH[1]}")
    send client udp 10.0.0.2:10000
    within server nft delete rule inet filter input handle "${handles[round]}"
done
nfscope_stop

expect_drops 8 cause.kind=nft_rule
for round in "${!handles[@]}"; do
    wanted=${handles[round]}
    expect_drops 1 cause.kind=nft_rule cause.table=filter cause.handle="$wanted"
    expect_drops 0 cause.handle="$wanted" \
        "cause.rule!=udp dport 10000 drop comment \"round $round\""
done
