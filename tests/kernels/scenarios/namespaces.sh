# Rules with the same handles in several namespaces: each drop has the text of
# its own namespace, named or not.
namespace hub one two
for name in one two; do
    veth hub "to-$name" "$name" eth0
done
ip -n hub addr add 10.0.1.1/24 dev to-one
ip -n hub addr add 10.0.2.1/24 dev to-two
ip -n one addr add 10.0.1.2/24 dev eth0
ip -n two addr add 10.0.2.2/24 dev eth0
for name in one two; do
    rules "$name" <<EOF
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop comment "in $name"
    }
}
EOF
done
# A namespace that only a process keeps alive; a line lets it send.
mkfifo "$W/go"
unshare --net bash -c "
    ip link set lo up
    nft -f - <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop comment \"in none\"
    }
}
EOF
    echo ready
    read -r <\"$W/go\"
    nfscope-guest send udp 127.0.0.1:10000 --count 3
    sleep 1000
" >"$W/anonymous" &
anonymous=$!
nfscope-guest await "$W/anonymous" ready
inode=$(stat -L -c %i "/proc/$anonymous/ns/net")
expect_equal "handles in both namespaces" "$(handle one 'in one')" "$(handle two 'in two')"
nfscope_start
send hub udp 10.0.1.2:10000 --count 2
send hub udp 10.0.2.2:10000 --count 4
echo go >"$W/go"
nfscope-guest await "$W/anonymous" "3 sent"
nfscope_stop

expect_drops 9 cause.kind=nft_rule
for place in one:2 two:4; do
    name=${place%:*}
    expect_drops "${place#*:}" netns.name="$name" netns.inode="$(netns_inode "$name")" \
        "cause.rule=udp dport 10000 drop comment \"in $name\"" "cause.comment=in $name"
done
expect_drops 3 '!netns.name' netns.inode="$inode" "cause.comment=in none"
