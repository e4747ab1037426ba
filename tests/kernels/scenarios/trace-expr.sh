# Every expression of every rule that packets pass, with its result, by both
# backends: the types are those that nft lists for the kernel's rules; what
# follows each rule; and how many rules of each chain did not match.
# timeout: 300
# kernels: 5.10 6.12 7.2
topology 4
rules server <<'EOF'
table ip filter {
    set blocked {
        type ipv4_addr
        elements = { 192.0.2.1, 192.0.2.2 }
    }
    chain sub {
        ip saddr @blocked drop
        ip saddr 10.0.0.1 counter
        udp dport 10000 drop
        udp dport 10001 return
        ip ttl 7 accept
    }
    chain other {
        meta mark 0x10 drop
        udp dport 10002 accept
        counter
    }
    chain input {
        type filter hook input priority filter; policy accept;
        ct state established accept
        udp dport 10000-10001 jump sub
        udp dport 10002 goto other
        tcp dport 22 accept
    }
}
EOF

# rule TEXT COUNT CONDITION…: COUNT packets pass the rule; each time the types of
# its expressions are nft's, and of one step all conditions hold
rule() {
    local number=0 handle conditions=() types type
    handle=$(handle server "$1")
    types=$(awk -v handle="$handle" '
        /^[a-z]/ { ours = $4 == handle }
        ours && $1 == "[" { print $2 }
    ' "$W/debug")
    [ -n "$types" ] || fail "nft lists no expressions for $1"
    for type in $types; do
        conditions+=("expressions.$number.type=$type" "expressions.$number.result")
        number=$((number + 1))
    done
    expect_events trace "$2" table=filter handle="$handle"
    expect_events trace "$2" table=filter handle="$handle" "${conditions[@]}" "!expressions.$number" code
    expect_events trace 1+ handle="$handle" "${@:3}"
}

# check BACKEND
check() {
    nfscope_run trace --json --expr --backend "$1" --netns server udp
    within server nft --debug=netlink -a list ruleset >"$W/debug"
    for port in 10000 10001 10002 10003; do
        send client udp "10.0.0.2:$port"
    done
    nfscope_stop
    local jump=$(handle server "jump sub") goto=$(handle server "goto other")
    local ssh=$(handle server "dport 22") returns=$(handle server "10001 return")
    local drops=$(handle server "10000 drop") counter=$(handle server "saddr 10.0.0.1")

    expect_events trace 4 step=enter in_device.index in_device.name=eth0 'packet.ip.protocol=17' \
        packet.ip.id generation
    rule "ct state established" 4 step=no_match code=NFT_BREAK rules_left=3 next="$jump" \
        expressions.0.result=NFT_CONTINUE expressions.2.result=NFT_BREAK \
        expressions.3.result=not_reached
    rule "jump sub" 4 step=rule code=NFT_JUMP target=sub rules_left=2 next="$goto" '!returns_to'
    rule "jump sub" 4 step=no_match code=NFT_BREAK packet_id=3 next="$goto"
    rule "@blocked" 2 step=no_match expressions.1.type=lookup expressions.1.result=NFT_BREAK \
        expressions.2.result=not_reached rules_left=4 next="$counter"
    rule "saddr 10.0.0.1" 2 step=rule code=NFT_CONTINUE expressions.2.type=counter \
        expressions.2.result=NFT_CONTINUE rules_left=3 next="$drops"
    rule "10000 drop" 2 step=rule code=NF_DROP expressions.4.result=NF_DROP rules_left=2 '!next'
    rule "10000 drop" 2 step=no_match expressions.3.result=NFT_BREAK next="$returns"
    rule "10001 return" 1 step=rule code=NFT_RETURN expressions.4.result=NFT_RETURN \
        returns_to=input next="$goto" rules_left=1
    rule "goto other" 3 step=rule code=NFT_GOTO target=other rules_left=1 '!next'
    rule "mark 0x" 1 step=no_match expressions.1.result=NFT_BREAK
    rule "10002 accept" 1 step=rule code=NF_ACCEPT rules_left=1
    rule "dport 22" 2 step=no_match expressions.1.result=NFT_BREAK rules_left=0 '!next'
    expect_events trace 2 step=policy code=NF_ACCEPT table=filter
    expect_events trace 0 handle="$(handle server "ttl 7")"
    expect_events trace 0 step=missing
    expect_events lost 0

    # dropped in sub: one rule of it and one of input did not match
    expect_events trace 1 handle="$drops" not_matched.0.chain=sub not_matched.0.rules=1 \
        not_matched.1.chain=input not_matched.1.rules=1
    expect_events trace 1 handle="$returns" not_matched.0.chain=sub not_matched.0.rules=2 \
        '!not_matched.1'
    expect_events trace 1 handle="$goto" not_matched.0.chain=input not_matched.0.rules=2
    expect_events trace 1 code=NF_ACCEPT not_matched.0.chain=other not_matched.0.rules=1
    expect_events trace 1 step=end not_matched.0.chain=input not_matched.0.rules=4
    expect_events trace 1 step=end not_matched.0.chain=input not_matched.0.rules=3
    [ "$ssh" -gt 0 ]
}
check points
check trace-hook

# without those rules the count alone, and it follows the ruleset
nfscope_run trace --netns server udp
within server nft insert rule ip filter sub udp dport 9 accept
sleep 1
send client udp 10.0.0.2:10001
send client udp 10.0.0.2:10000
nfscope_stop
expect_text '      3 rules did not match'
expect_text '      2 rules did not match'
expect_text '    1 rule of input did not match'
expect_text '    3 rules did not match'

# as text
nfscope_run trace --expr --netns server udp
send client udp 10.0.0.2:10000
nfscope_stop
expect_text 'protocol 17, id '
expect_text 'table     ip filter entered, eth0 has index '
expect_text ', cmp NFT_BREAK, immediate not reached'
expect_text 'NFT_JUMP: from input to sub, 2 rules left in input'
expect_text 'NF_DROP: leaves table ip filter, 2 rules left in sub'
nfscope_run trace --expr --stream --netns server udp
send client udp 10.0.0.2:10000
nfscope_stop
expect_text 'NF_DROP: leaves table ip filter, 2 rules left in sub'
