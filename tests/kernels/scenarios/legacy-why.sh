# Why rules of iptables-legacy and ip6tables-legacy did not match: random rules of
# several parts, beside rules of each part alone, whose counters say which parts a
# packet meets. What nfscope names must be the first part that it does not meet.
# timeout: 300
NFSCOPE_PATIENCE=90
seed=${SEED:-7}
echo "seed $seed"
topology
# nothing arrives but the packets of the test
mac() { ip -n "$1" -br link show eth0 | awk '{ print $3 }'; }
for pair in client:server:10.0.0.2:fd00::2 server:client:10.0.0.1:fd00::1; do
    IFS=: read -r name other four six <<<"$pair"
    ip -n "$name" neigh replace "$four" dev eth0 lladdr "$(mac "$other")" nud permanent
    ip -n "$name" neigh replace "${pair#"$name:$other:$four:"}" dev eth0 lladdr "$(mac "$other")" nud permanent
done
within server ipset create near hash:ip
within server ipset add near 10.0.0.1
within server ipset create far hash:ip

cat >"$W/why.py" <<'PY'
import json, random, subprocess, sys

W, step = sys.argv[1:3]

def pool(six):
    near, far, mine = ("fd00::1/128", "fd77::/16", "fd00::2/128") if six else (
        "10.0.0.1/32", "10.9.0.0/16", "10.0.0.2/32")
    header = [
        ("source", [f"-s {near}", f"! -s {near}", f"-s {far}", f"! -s {far}"]),
        ("destination", [f"-d {mine}", f"! -d {mine}", f"! -d {far}"]),
        ("in_interface", ["-i eth0", "-i et+", "-i lo", "! -i eth0", "! -i lo"]),
        ("protocol", ["-p udp", "-p tcp", "! -p udp", "-p 47"]),
    ]
    # what stands behind the colon is the protocol that a match needs
    ports = [f"{p}:-m {p} {o}" for p in ("udp", "tcp") for o in (
        "--dport 10001", "--dport 10002:10009", "! --dport 10001", "--sport 1:100", "! --sport 1:100")]
    ports += [f"{p}:-m multiport {o}" for p in ("udp", "tcp") for o in (
        "--dports 1,10001:10002", "! --dports 10001,9", "--ports 4000,5", "--sports 7,4000:4001")]
    ports += [f"tcp:-m tcp {o}" for o in (
        "--tcp-flags SYN,ACK SYN", "! --tcp-flags SYN,RST SYN", "--tcp-option 2", "! --tcp-option 2")]
    icmp = "ipv6-icmp:-m icmp6 --icmpv6-type" if six else "icmp:-m icmp --icmp-type"
    ports += [f"{icmp} {t}" for t in (("128", "129", "1/3") if six else ("8", "0", "3/1", "any"))]
    life = "hl --hl" if six else "ttl --ttl"
    matches = [f"-m {m}" for m in (
        f"{life}-eq 64", f"{life}-lt 64", f"{life}-gt 9", "length --length 0:99", "! length",
        "mark --mark 0x0", "mark ! --mark 0x0", "mark --mark 0x1/0x3",
        "conntrack --ctstate NEW", "conntrack ! --ctstate NEW", "conntrack --ctstate RELATED,ESTABLISHED",
        "tos --tos 0x00/0xff", "tos ! --tos 0x00/0xff", "dscp --dscp 0x0a", "dscp ! --dscp 0x0a",
        f"iprange --src-range {'fd00::1-fd00::9' if six else '10.0.0.1-10.0.0.9'}",
        f"iprange ! --dst-range {'fd00::1-fd00::9' if six else '10.0.0.1-10.0.0.9'}",
        "comment --comment words",
        "pkttype --pkt-type unicast", "pkttype --pkt-type broadcast", "addrtype --dst-type LOCAL",
        "addrtype ! --dst-type LOCAL") if not m.startswith("!")]
    if not six:
        matches += ["-m set --match-set near src", "-m set --match-set far src"]
    return header, ports, matches

# matches that nfscope does not evaluate
OPAQUE = {"set", "pkttype", "addrtype"}

def singles(six):
    header, ports, matches = pool(six)
    return [h for _, all in header for h in all] + ports + matches

def text(part):
    if ":" in part and part.split(":", 1)[1].startswith("-m"):
        protocol, match = part.split(":", 1)
        return f"-p {protocol} {match}"
    return part

def name(part):
    if "-m " in part:
        return part.split("-m ")[1].split()[0]
    return dict(s="source", d="destination", i="in_interface", p="protocol")[part.split("-")[1][0]]

def rule(parts):
    """In the kernel's order, with the protocol that its matches need."""
    protocol = {p.split(":")[0] for p in parts if not p.startswith(("-", "!"))}
    parts = list(parts)
    if protocol:
        parts = [p for p in parts if name(p) != "protocol"] + [f"-p {protocol.pop()}"]
    order = ["source", "destination", "in_interface", "protocol"]
    head = sorted((p for p in parts if name(p) in order), key=lambda p: order.index(name(p)))
    rest = [p for p in parts if name(p) not in order]
    words = " ".join(head + [p.split(":", 1)[1] if not p.startswith(("-", "!")) else p for p in rest])
    return head + rest, words

def make(six):
    header, ports, matches = pool(six)
    chosen = random.Random(int(sys.argv[3]) + six)
    rules = {"INPUT": [([p], text(p)) for p in singles(six)], "one": [], "two": []}
    for p in ("-p udp", "-p tcp", "-p icmp", "-p ipv6-icmp"):
        if p not in singles(six):
            rules["INPUT"].append(([p], p))
    for n in range(45):
        parts = [chosen.choice(all) for _, all in header if chosen.random() < 0.4]
        if chosen.random() < 0.5:
            parts.append(chosen.choice(ports))
        parts += chosen.sample(matches, chosen.randint(0, 2))
        if parts:
            rules[chosen.choice(["INPUT", "one", "two"])].append(rule(parts))
    lines = ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT", ":one -", ":two -"]
    for chain, all in rules.items():
        lines += [f"-A {chain} {words}" for _, words in all]
    # a way that leads through all of them
    lines += ["-A INPUT -j one", "-A INPUT -i lo -j DROP", "-A one -g two", "-A two -j RETURN", "COMMIT", ""]
    rules["INPUT"] += [None, (["-i lo"], "-i lo -j DROP")]
    open(f"{W}/rules{'6' if six else '4'}", "w").write("\n".join(lines))
    json.dump(rules, open(f"{W}/spec{'6' if six else '4'}", "w"))

def counters(path):
    """Packets by family, chain and number."""
    found, chain, family = {}, None, None
    for line in open(path):
        words = line.split()
        if line.startswith("@"):
            family = words[1]
        elif line.startswith("Chain"):
            chain = words[1]
        elif words and words[0].isdigit():
            found[family, chain, int(words[0])] = int(words[1])
    return found

def check():
    kinds = sys.argv[3:]
    packets = {}
    for line in open(f"{W}/events.json"):
        e = json.loads(line)
        if e["type"] == "trace" and e.get("hook") == "input" and e.get("table") == "filter":
            packets.setdefault(e["packet_id"], []).append(e)
    seen, told = {}, 0
    for n, kind in enumerate(kinds):
        kind, source, port = kind.split("/")
        of = lambda p: (p["ip"]["source"], str(p.get("transport", {}).get("destination")))
        fits = [p for p in packets.values() if of(p[0]["packet"]) == (source, port)]
        assert len(fits) == 1, f"{kind}: {len(fits)} of {len(packets)}"
        steps = fits[0]
        family = "6" if kind.startswith("six") else "4"
        spec = json.load(open(f"{W}/spec{family}"))
        before, after = counters(f"{W}/counters{n}"), counters(f"{W}/counters{n + 1}")
        count = lambda chain, number: after[family, chain, number] - before[family, chain, number]
        alone = {parts[0]: count("INPUT", number) for number, (parts, _) in
                 enumerate((r for r in spec["INPUT"] if r and len(r[0]) == 1), 1) if number <= len(singles(family == "6")) + 2}
        missed = {(s["chain"], s["number"]): s for s in steps if s["step"] == "table_no_match"}
        for chain, rules in spec.items():
            for number, r in enumerate(rules, 1):
                step = missed.pop((chain, number), None)
                if r is None:
                    continue
                parts, words = r
                where = f"{kind}, {chain} {number}: {words}: {step}"
                if count(chain, number):
                    assert step is None, where
                    continue
                assert step, where
                assert step["rule"].startswith(f"-A {chain} "), where
                why = step["why"]
                if len(parts) == 1 and not parts[0].startswith(("-", "!")):
                    protocol = f"-p {parts[0].split(':')[0]}"
                    parts = [protocol, parts[0]]
                no = [p for p in parts if not alone[p]]
                assert no, where
                plain = [name(p) for p in no if name(p) not in OPAQUE]
                opaque = list(dict.fromkeys(name(p) for p in parts if name(p) in OPAQUE))
                if plain:
                    wanted = (plain[0], [])
                elif len(opaque) == 1:
                    wanted = (opaque[0], [])
                else:
                    wanted = (None, opaque)
                found = (why.get("part"), why.get("candidates", []))
                assert found == wanted, f"{where}\nwanted {wanted}, alone {[(p, alone[p]) for p in parts]}"
                if plain and name(no[0]) not in OPAQUE:
                    assert why["condition"] and why["reason"].startswith(("packet ", "the hook ")), where
                seen[found[0] or "several"] = seen.get(found[0] or "several", 0) + 1
                told += 1
        # what is left has matched nothing, or is the way itself
        left = [k for k in missed if missed[k]["rule"].split(" -j ")[-1] not in ("one", "DROP", "RETURN")]
        assert not left, left
    print(told, "rules explained:", dict(sorted(seen.items())))
    assert told > 400 and len(seen) > 12, (told, seen)

if step == "make":
    make(False)
    make(True)
else:
    check()
PY
python3 "$W/why.py" "$W" make "$seed"
within server iptables-legacy-restore "$W/rules4" || fail "not taken: $(cat "$W/rules4")"
within server ip6tables-legacy-restore "$W/rules6" || fail "not taken: $(cat "$W/rules6")"
counters() {
    echo "@ 4"
    within server iptables-legacy -nvxL --line-numbers
    echo "@ 6"
    within server ip6tables-legacy -nvxL --line-numbers
}
dump() { within server iptables-legacy-save | grep -v '^[#:]'; }

dump >"$W/before"
nfscope_run trace --json --why --netns server
kinds=(udp/10.0.0.1/10001 tcp/10.0.0.1/10002 ping/10.0.0.1/None six-udp/fd00::1/10001
    six-tcp/fd00::1/10009 ttl/10.0.0.1/10007)
n=0
counters >"$W/counters0"
# the jump that all packets meet
jumps() { sed -n 's/^[0-9]* *\([0-9]*\) .* one .*/\1/p' "$1" | xargs; }
for kind in "${kinds[@]}"; do
    case ${kind%%/*} in
    udp) send client udp 10.0.0.2:10001 ;;
    tcp) send client segment 10.0.0.2:10002 --flags S --port 4000 ;;
    ping) within client ping -q -c 1 -W 5 10.0.0.2 >/dev/null ;;
    six-udp) send client udp '[fd00::2]:10001' ;;
    six-tcp) send client segment '[fd00::2]:10009' --flags S. --port 4001 ;;
    ttl) send client udp 10.0.0.2:10007 --ttl 9 ;;
    esac
    n=$((n + 1))
    for _ in {1..100}; do
        counters >"$W/counters$n"
        [ "$(jumps "$W/counters$n")" = "$(jumps "$W/counters$((n - 1))")" ] || break
    done
done
nfscope_stop
dump >"$W/after"
cmp "$W/before" "$W/after" || fail "the tables have changed"
expect_events lost 0
expect_events trace 0 step=table_no_match text_unknown
python3 "$W/why.py" "$W" check "${kinds[@]}" || fail "not what the counters say"
