# Generated rules with matches and targets of all kinds, by iptables-legacy,
# ip6tables-legacy and iptables-nft: each drop has the line and the number that
# the programs themselves print, as often as the rule's own counter says; also
# the rules of NAT and of the marks in between count. Without the program that
# prints legacy lines a line is the same or said to be an outline.
# timeout: 400
# kernels: 5.10 6.12 7.2
seed=${SEED:-2026}
RANDOM=$seed
echo "seed $seed"
topology
within server ipset create hosts hash:ip
within server ipset add hosts 10.0.0.1
within server ipset create nets hash:net,port
within server ipset create marked hash:ip

matches=(
    ""
    "-s 10.0.0.0/24"
    "! -s 10.0.9.0/24 ! -i lo"
    "-i eth+ -d 10.0.0.2/32"
    "-m set --match-set hosts src"
    "-m set ! --match-set hosts dst"
    "-m set ! --match-set nets src,dst -m comment --comment \"not a \\\"net\\\"\""
    "-m multiport --dports 1:9,10000:20000"
    "-m multiport ! --sports 1,2"
    "-m conntrack --ctstate NEW"
    "-m conntrack ! --ctstate INVALID,ESTABLISHED"
    "-m state --state NEW"
    "-m mark ! --mark 0x7/0xff"
    "-m connmark --mark 0x0"
    "-m length --length 1:1000"
    "-m ttl --ttl-gt 1"
    "-m iprange --src-range 10.0.0.1-10.0.0.9"
    "-m addrtype --dst-type LOCAL"
    "-m limit --limit 100/sec --limit-burst 50"
    "-m hashlimit --hashlimit-upto 900/sec --hashlimit-burst 90 --hashlimit-mode srcip --hashlimit-name some"
    "-m string ! --string nowhere --algo bm"
    "-m u32 ! --u32 0x0=0x1"
    "-m statistic --mode random --probability 1.00000000000"
    "-m tos ! --tos 0x10/0x3f"
    "-m dscp ! --dscp 0x20"
    "-m pkttype --pkt-type unicast"
    "-m recent ! --rcheck --seconds 9 --name seen --mask 255.255.255.255 --rsource"
)
ends=("DROP" "DROP" "REJECT" "REJECT --reject-with icmp-host-prohibited" "NFQUEUE --queue-num 7")
# TABLE CHAIN TARGET: they match nothing here, but have lines and numbers
others=(
    "filter INPUT LOG --log-prefix \"a b \" --log-level 7"
    "filter INPUT SET --add-set marked src"
    "mangle PREROUTING MARK --set-xmark 0x1/0xffffffff"
    "mangle PREROUTING CONNMARK --save-mark"
    "mangle PREROUTING TPROXY --on-port 3128 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1"
    "mangle PREROUTING SET --del-set marked src"
    "raw PREROUTING CT --notrack"
    "raw PREROUTING MARK --set-xmark 0x2/0xff"
    "nat PREROUTING DNAT --to-destination 10.0.0.2:99"
    "nat PREROUTING REDIRECT --to-ports 1234"
    "nat POSTROUTING SNAT --to-source 10.0.0.2"
    "nat POSTROUTING MASQUERADE"
)

# Those that the kernel and the program take.
takes() { within server "$1-restore" --noflush --test <<<"*$2"$'\n'"$3"$'\nCOMMIT' 2>/dev/null; }
generate() {
    local program=$1 port=10000 rule table chain target match other usable=()
    declare -A lines=()
    for other in "${others[@]}"; do
        read -r table chain target <<<"$other"
        rule="-A $chain -s 10.99.0.0/16 -p udp -j $target"
        if takes "$program" "$table" "$rule"; then usable+=("$table $rule"); else echo "$program: no $target"; fi
    done
    for match in "${matches[@]}"; do
        rule="-p udp --dport $port $match"
        takes "$program" filter "-A INPUT $rule -j DROP" || { echo "$program: no $match"; continue; }
        case $((RANDOM % 4)) in
            0) lines[raw]+="-A PREROUTING $rule -j DROP"$'\n' ;;
            1) lines[mangle]+="-A PREROUTING $rule -j DROP"$'\n' ;;
            *) lines[filter]+="-A INPUT $rule -j ${ends[RANDOM % ${#ends[@]}]}"$'\n' ;;
        esac
        read -r table rule <<<"${usable[RANDOM % ${#usable[@]}]}"
        lines[$table]+="$rule"$'\n'
        port=$((port + 1))
    done
    for table in "${!lines[@]}"; do printf '*%s\n%sCOMMIT\n' "$table" "${lines[$table]}"; done >"$W/rules"
    within server "$program-restore" <"$W/rules" || fail "$program refuses the rules"
    ports=$(seq 10000 $((port - 1)))
    echo "$program: $((port - 10000)) rules"
    [ "$port" -gt 10015 ] || fail "too few rules"
}
traffic() {
    local port
    for port in $ports; do send client udp "10.0.0.2:$port" --count $((1 + port % 2)) >/dev/null; done
}
# What the program says of its rules: table, chain, number, packets, line
said() {
    local table chain
    for table in filter mangle raw; do
        chain=PREROUTING
        [ $table = filter ] && chain=INPUT
        paste <(within server "$1" -w -t $table -nvxL $chain --line-numbers | tail -n +3 | awk '{ print $1, $2 }') \
            <(within server "$1" -w -t $table -S $chain | grep '^-A') | sed "s/^/$table $chain /"
    done
}
# compare KEY OUTLINES: the drops against that
compare() {
    python3 - "$EVENTS" "$W/said" "$1" "$2" <<'EOF'
import collections, json, re, sys
events, said, key, outlines = sys.argv[1:]
found, outline, wrong = collections.Counter(), 0, []
for line in open(events):
    event = json.loads(line)
    if event["type"] != "drop": continue
    cause = event["cause"]
    # a match that has its limit lets the packet pass
    if cause["kind"] not in ("xt_rule", "nft_rule"): continue
    place = cause["table"], cause["chain"]
    number = cause.get("number", 0)
    if cause.get("outline"): outline += 1
    found[place + (number, None if cause.get("outline") else cause.get(key))] += 1
wanted, exact = 0, 0
for line in open(said):
    table, chain, number, packets, text = re.match(r"(\S+) (\S+) (\d+) (\d+)\t(.*?) *$", line).groups()
    packets = int(packets)
    if not packets or not re.search(" -j (DROP|REJECT|NFQUEUE)", text): continue
    wanted += packets
    number = int(number) if key == "rule" else 0
    got = found.pop((table, chain, number, text), 0)
    exact += got
    if outlines == "yes": got += found.pop((table, chain, number, None), 0)
    if got != packets: wrong.append((table, chain, number, text, "packets", packets, "told", got))
wrong += [(k, n) for k, n in found.items() if n]
print(f"{wanted} drops, {exact} lines equal, {outline} outlines")
for w in wrong[:8]: print("wrong:", w)
sys.exit(bool(wrong) or wanted < 20 or (outlines == "yes" and exact < 5))
EOF
}

generate iptables-legacy
within server ip6tables-legacy -A INPUT -p udp --dport 10000 -m length --length 1:1000 -j DROP
nfscope_start
traffic
send client udp '[fd00::2]:10000' --count 3
nfscope_stop
expect_drops 3 cause.family=ip6 \
    "cause.rule=$(within server ip6tables-legacy -S INPUT | tail -n 1)"
grep -v '"family":"ip6"' "$EVENTS" >"$W/kept" && mv "$W/kept" "$EVENTS"
said iptables-legacy >"$W/said"
compare rule no || fail "not the lines of iptables-legacy"

within server iptables-legacy -Z
for table in mangle raw; do within server iptables-legacy -t $table -Z; done
multi=$(readlink -f "$(command -v iptables-legacy-save)")
mount --bind /dev/null "$multi"
trap 'umount "$multi"' EXIT
nfscope_start
traffic
nfscope_stop
umount "$multi"
trap - EXIT
said iptables-legacy >"$W/said"
compare rule yes || fail "lines that are neither iptables-legacy's nor outlines"

for table in filter mangle raw nat; do within server iptables-legacy -t $table -F; done
# a queue that a target of iptables-nft sends to is not known to nfscope
ends=("DROP" "REJECT" "REJECT --reject-with icmp-host-prohibited")
generate iptables-nft
nfscope_start
traffic
nfscope_stop
said iptables-nft >"$W/said"
compare iptables no || fail "not the lines of iptables-nft"
