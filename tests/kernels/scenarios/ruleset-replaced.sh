# The ruleset is replaced while nfscope watches: old drops keep the old text,
# new ones get the new.
topology 4
load() {
    rules server <<EOF
flush ruleset
table inet $1 {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop comment "$1"
    }
}
EOF
}
load before
nfscope_start udp port 10000
send client udp 10.0.0.2:10000 --count 2
await_events 2
load between
load after
send client udp 10.0.0.2:10000 --count 3
await_events 5
# The same names and handles once more, for another table and another rule.
load after
within server nft replace rule inet after input handle "$(handle server 'comment "after"')" \
    udp dport 10000 drop comment '"replaced"'
send client udp 10.0.0.2:10000 --count 4
nfscope_stop

expect_drops 9 cause.kind=nft_rule
expect_drops 2 cause.table=before cause.chain=input "cause.rule=udp dport 10000 drop comment \"before\""
expect_drops 3 cause.table=after "cause.rule=udp dport 10000 drop comment \"after\""
expect_drops 4 cause.table=after "cause.rule=udp dport 10000 drop comment \"replaced\""
