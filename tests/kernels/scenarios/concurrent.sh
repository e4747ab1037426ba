# Several processes, namespaces and processors at once: each drop has its own
# rule.
# processors: 2
# timeout: 120
# kernels: 5.10 6.12 7.2
namespace hub
names=(a b c d)
for number in 0 1 2 3; do
    name=${names[number]}
    namespace "$name"
    veth hub "to-$name" "$name" eth0
    ip -n hub addr add "10.0.$number.1/24" dev "to-$name"
    ip -n "$name" addr add "10.0.$number.2/24" dev eth0
    rules "$name" <<EOF
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 drop comment "in $name"
        udp dport 10001 reject comment "reject in $name"
        udp dport 10002 jump sub
    }
    chain sub {
        udp dport 10002 drop comment "sub in $name"
    }
}
EOF
done
nfscope_start udp and net 10.0.0.0/16
senders=()
for number in 0 1 2 3; do
    for port in 10000 10001 10002; do
        send hub udp "10.0.$number.2:$port" --count 50 >/dev/null &
        senders+=($!)
    done
done
wait "${senders[@]}"
nfscope_stop

expect_events lost 0
expect_drops 600 cause.kind=nft_rule
for name in "${names[@]}"; do
    expect_drops 50 netns.name="$name" "cause.comment=in $name" packet.transport.destination=10000
    expect_drops 50 netns.name="$name" "cause.comment=reject in $name" cause.verdict=reject \
        packet.transport.destination=10001
    expect_drops 50 netns.name="$name" "cause.comment=sub in $name" cause.chain=sub \
        packet.transport.destination=10002
done
