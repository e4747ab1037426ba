# A full connection table drops in a netfilter hook that is no rule.
topology 4
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        ct state new accept
    }
}
EOF
before=$(sysctl -n net.netfilter.nf_conntrack_max)
trap 'sysctl -qw net.netfilter.nf_conntrack_max=$before' EXIT
sysctl -qw net.netfilter.nf_conntrack_max=1
listen server udp 10.0.0.2:10000
nfscope_start
# The place in nf_hook_slow is looked for behind the start; where rules' drops
# pass it too, it is probed when a drop has come that no rule explains.
send client udp 10.0.0.2:10000 --port 4000
send client udp 10.0.0.2:10000 --port 3999
for _ in $(seq 300); do
    bpftool prog list | grep -q at_hook_drop && break
    sleep 0.2
done
for port in 4001 4002 4003 4004; do
    send client udp 10.0.0.2:10000 --port "$port"
done
nfscope_stop

expect_drops 0 cause.kind=nft_rule
expect_drops 1+ cause.kind=kernel cause.hook_function~conntrack netns.name=server \
    packet.transport.destination=10000
! has_reasons || expect_drops 1+ cause.reason=NETFILTER_DROP cause.hint~nf_conntrack_max
