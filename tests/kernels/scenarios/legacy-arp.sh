# Rules and policies of arptables-legacy: chain, number and line are those that
# the program itself lists, the counts those of the rules' own counters.
# timeout: 180
topology 4
arp() { within server arptables-legacy "$@"; }
# What printing itself loads is loaded before.
arp -L -n >/dev/null || skip "there are no tables of ARP"
for chain in SUB DEEP; do arp -N $chain; done
arp -A INPUT -s 10.0.0.70 -j ACCEPT
arp -A INPUT -s 10.0.0.71 -j DROP
arp -A INPUT -s 10.0.0.72 --opcode Request -i eth0 --h-length 6 --proto-type 0x800 -j DROP
arp -A INPUT -s 10.0.0.73 -j SUB
arp -A INPUT ! -d 10.0.0.2 --opcode 1 -j DROP
arp -A INPUT -s 10.0.0.64/29 -j DROP
# a target that is a function, and lets them go on
arp -A INPUT -s 10.0.0.80/28 -j MARK --set-mark 1
arp -A INPUT -s 10.0.0.80 -i eth+ -j DROP
arp -A SUB --opcode 2 -j RETURN
arp -A SUB -j DEEP
arp -A DEEP -s 10.0.0.9 -j ACCEPT
arp -A DEEP ! -i lo -j DROP
# neighbours are to be had all the same
arp -A INPUT -s 10.0.0.1 -j ACCEPT
arp -A INPUT --src-mac 02:00:00:00:00:99 -j DROP
arp -P INPUT DROP
arp -A OUTPUT -d 10.0.0.99 -j DROP
# the kernel asks once, not on and on
within server sysctl -qw net.ipv4.neigh.eth0.mcast_solicit=1

dump() { arp -L -n; cut -d" " -f1 /proc/modules | sort; }
nfscope_start
dump >"$W/before"
asks() { send client arp eth0 "$2" "$1" --count "$3"; }
asks 10.0.0.70 10.0.0.2 2
asks 10.0.0.71 10.0.0.2 3
asks 10.0.0.72 10.0.0.2 4
asks 10.0.0.73 10.0.0.2 5
asks 10.0.0.9 10.0.0.7 2
asks 10.0.0.69 10.0.0.2 3
asks 10.0.0.80 10.0.0.2 4
asks 10.0.0.90 10.0.0.2 5
within server ping -c 1 -W 1 10.0.0.99 >/dev/null || true
settle
dump >"$W/after"
nfscope_stop
cmp "$W/before" "$W/after" || fail "the tables or modules have changed"

expect_events lost 0
# Each rule that has dropped anything, by its own counter.
for chain in INPUT OUTPUT SUB DEEP; do
    number=0
    while read -r packets; do
        number=$((number + 1))
        line=$(arp -L $chain -n --line-numbers | sed -n "s/^$number //p" | sed 's/ *$//')
        [[ "$packets" != 0 && "$line" == "-j DROP"* ]] || continue
        echo "$chain $number $packets: $line"
        expect_drops "$packets" cause.kind=xt_rule cause.family=arp cause.table=filter \
            cause.chain="$chain" cause.number="$number" "cause.rule=-A $chain $line" \
            cause.verdict=drop backend=points netns.name=server packet.ethertype=2054
    done < <(arp -L $chain -n -v -x | sed -n 's/.*, pcnt=\([0-9]*\).*/\1/p')
done
expect_drops 3 cause.chain=INPUT cause.number=2 packet.arp.sender=10.0.0.71 cause.hook=input \
    in_device.name=eth0
expect_drops 5 cause.chain=DEEP cause.number=2 packet.arp.sender=10.0.0.73 \
    "cause.rule=-A DEEP -j DROP ! -i lo"
expect_drops 4 cause.number=8 packet.arp.sender=10.0.0.80
expect_drops 5 cause.kind=xt_policy cause.family=arp cause.table=filter cause.chain=INPUT \
    cause.hook=input packet.arp.sender=10.0.0.90
expect_drops 0 packet.arp.sender=10.0.0.70

# Without the program the line is nfscope's own: the same words.
mount --bind /dev/null /usr/sbin/arptables-legacy
nfscope_start
asks 10.0.0.71 10.0.0.2 1
asks 10.0.0.72 10.0.0.2 2
asks 10.0.0.69 10.0.0.2 3
nfscope_stop
umount /usr/sbin/arptables-legacy
for wanted in 2:1 3:2 6:3; do
    line=$(arp -L INPUT -n --line-numbers | sed -n "s/^${wanted%:*} //p" | sed 's/ *$//')
    expect_drops "${wanted#*:}" cause.number="${wanted%:*}" "cause.rule=-A INPUT $line"
done
