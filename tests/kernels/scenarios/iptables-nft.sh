# Rules of iptables-nft are shown as their owner wrote them.
topology
within server iptables -A INPUT -p udp --dport 9999 -j ACCEPT
within server iptables -A INPUT -p udp --dport 10000 -m comment --comment "no way" -j DROP
within server iptables -N SUB
within server iptables -A INPUT -p udp --dport 10001 -j SUB
within server iptables -A SUB -s 10.0.0.1 -j REJECT
within server iptables -A INPUT -p udp --dport 10003 -j NFQUEUE --queue-num 50005
within server iptables -A INPUT -p udp --dport 10004 -j NFQUEUE --queue-bypass
within server iptables -P INPUT DROP
within server ip6tables -A INPUT -p udp --dport 10000 -j DROP
nfscope_start
send client udp 10.0.0.2:10000 --count 2
send client udp 10.0.0.2:10001 --count 3
send client udp 10.0.0.2:10002 --count 4
send client udp '[fd00::2]:10000' --count 5
# nobody listens to the queues
send client udp 10.0.0.2:10003 --count 6
send client udp 10.0.0.2:10004
nfscope_stop

expect_drops 16 cause.kind=nft_rule
expect_drops 2 cause.family=ip cause.table=filter cause.chain=INPUT \
    "cause.iptables=-A INPUT -p udp -m udp --dport 10000 -m comment --comment \"no way\" -j DROP"
expect_drops 3 cause.chain=SUB cause.verdict=reject \
    "cause.iptables=-A SUB -s 10.0.0.1/32 -j REJECT --reject-with icmp-port-unreachable"
expect_drops 4 cause.kind=nft_policy cause.table=filter cause.chain=INPUT \
    packet.transport.destination=10002
expect_drops 5 cause.family=ip6 "cause.iptables=-A INPUT -p udp -m udp --dport 10000 -j DROP"
expect_drops 6 cause.chain=INPUT cause.verdict=queue packet.transport.destination=10003 \
    "cause.iptables=-A INPUT -p udp -m udp --dport 10003 -j NFQUEUE --queue-num 50005"
