# A reader that does not keep up: what is lost is counted, nothing is missing
# from the sum.
# timeout: 180
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop
    }
}
EOF
nfscope_start udp port 10000
kill -STOP "$NFSCOPE"
count=60000
send client udp 10.0.0.2:10000 --count $count >/dev/null
kill -CONT "$NFSCOPE"
# Written after the hole.
sleep 1
send client udp 10.0.0.2:10000 --count 2
nfscope_stop

shown=$(grep -c '"type":"drop"' "$EVENTS")
lost=$(sed -n 's/.*"type":"lost".*"place":"ring".*"count":\([0-9]*\).*/\1/p' "$EVENTS" |
    awk '{ sum += $1 } END { print sum + 0 }')
echo "$shown shown, $lost lost"
[ "$lost" -gt 0 ] || fail "nothing was lost: send more"
expect_equal "drops shown and lost" $((shown + lost)) $((count + 2))
