# A rule of iptables-legacy is named by the table that its packet met, though
# the table was replaced since.
# timeout: 120
topology 4
four() { within server iptables-legacy "$@"; }
four -A INPUT -p udp --dport 10000 -m comment --comment first -j DROP
nfscope_start
# Tables are read as soon as nfscope watches, and anew when they are replaced.
sleep 4
send client udp 10.0.0.2:10000
four -F INPUT
four -A INPUT -p udp --dport 10001 -j ACCEPT
four -A INPUT -p udp --dport 10000 -m comment --comment second -j DROP
sleep 4
send client udp 10.0.0.2:10000 --count 2
four -D INPUT 1
sleep 4
send client udp 10.0.0.2:10000 --count 3
four -F INPUT
send client udp 10.0.0.2:10000
nfscope_stop

expect_drops 6 cause.kind=xt_rule
expect_drops 1 cause.comment=first cause.number=1
expect_drops 2 cause.comment=second cause.number=2
expect_drops 3 cause.comment=second cause.number=1 \
    "cause.rule=-A INPUT -p udp -m udp --dport 10000 -m comment --comment second -j DROP"
