# Bytes that a terminal would obey do not reach it.
topology 4
ip -n server link set eth0 down
ip -n server link set eth0 name $'e\e[5m'
ip -n server link set $'e\e[5m' up
rules server <<EOF
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop comment "a$(printf '\033[31m')b"
    }
}
EOF
rules client <<'EOF'
table inet filter {
    chain output {
        type filter hook output priority filter; policy accept;
        udp dport 10001 drop
    }
}
EOF
traffic() {
    send client udp 10.0.0.2:10000
    cp "$(command -v nfscope-guest)" "$W/"$'n\e[7m'
    within client "$W/"$'n\e[7m' send udp 10.0.0.2:10001
}
nfscope_run drops
traffic
nfscope_stop
expect_text "udp dport 10000 drop"
expect_text "udp dport 10001 drop"
! grep -q $'\e' "$EVENTS" "$ERRORS" || fail "escapes reach the terminal: $(cat -v "$EVENTS")"

nfscope_start
traffic
nfscope_stop
! grep -q $'\e' "$EVENTS" || fail "escapes in JSON"
expect_drops 1 "cause.comment=a"$'\e'"[31mb" "device.name=e"$'\e'"[5m"
expect_drops 1 process.command=$'n\e[7m' packet.transport.destination=10001
