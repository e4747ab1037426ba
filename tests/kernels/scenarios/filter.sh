# Only what the packet filter takes is shown.
topology
rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        meta l4proto { tcp, udp } drop
    }
}
EOF
traffic() {
    send client udp 10.0.0.2:10000 --count 2
    send client udp 10.0.0.2:10001 --count 3
    send client udp '[fd00::2]:10000' --count 4
    send client segment 10.0.0.2:10000 --flags S
}
nfscope_start udp port 10000
traffic
nfscope_stop
expect_drops 6
expect_drops 2 cause.kind=nft_rule packet.transport.protocol=udp packet.ip.destination=10.0.0.2
expect_drops 4 cause.kind=nft_rule packet.transport.protocol=udp packet.ip.destination=fd00::2

nfscope_start 'ip and tcp[tcpflags] & tcp-syn != 0'
traffic
nfscope_stop
expect_drops 1
expect_drops 1 packet.transport.protocol=tcp packet.transport.flags=S

nfscope_start host 10.0.0.9
traffic
nfscope_stop
expect_drops 0

# A filter may look further into a packet than a record reaches.
nfscope_start 'udp[300] = 97 or udp[300] != 97'
send client udp 10.0.0.2:10000 --size 400 --count 5
send client udp 10.0.0.2:10000 --size 200 --count 3
nfscope_stop
expect_drops 5 cause.kind=nft_rule packet.transport.destination=10000 packet.ip.length=428
