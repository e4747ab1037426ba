# Fields of `probe` that chance makes of the kernel's types, at a new task before it
# runs: all load, and what they read is what bpftrace reads at the same event. The
# same for casts, bit fields, elements, container_of and each format. Wrong fields
# made of right ones are shown with the place.
# timeout: 600
NFSCOPE_PATIENCE=90
topology
cp "$(command -v bash)" "$W/forker"
nfscope-guest probe-paths --argument p --of task_struct --count 300 >"$W/paths"
python3 - "$W" <<'PYTHON'
import sys

folder = sys.argv[1]
paths = [line.split("\t") for line in open(f"{folder}/paths").read().splitlines()]
assert len(paths) == 300
for part in range(5):
    fields = [path[0] for path in paths[60 * part:60 * part + 60]]
    open(f"{folder}/fields.{part}", "w").write(" ".join(["p.pid", *fields]))
known = [(number, path[1]) for number, path in enumerate(paths) if len(path) > 1]
with open(f"{folder}/script", "w") as script:
    script.write('kprobe:wake_up_new_task /comm == "forker"/ {\n')
    # bpftrace takes its time for each, emulated processors more
    for start in range(0, 150, 6):
        some = known[start:start + 6]
        form = " ".join(f"{number}=%llx" for number, _ in some)
        values = ", ".join(f"(uint64)({path})" for _, path in some)
        script.write(f'printf("task %d {form}\\n", ((struct task_struct *)arg0)->pid, {values});\n')
    script.write("}\n")
PYTHON
cat >>"$W/script" <<'SCRIPT'
kprobe:ip_rcv {
    $skb = (struct sk_buff *)arg0;
    $dev = (struct net_device *)arg1;
    $data = (uint64)$skb->data;
    printf("packet w0=%llx w1=%llx w2=%llx w3=%llx\n", *(uint64 *)$data, *(uint64 *)($data + 8),
        *(uint64 *)($data + 16), *(uint64 *)($data + 24));
    printf("packet type=%llx summed=%llx len=%llx mac=%llx link=%llx\n", (uint64)$skb->pkt_type,
        (uint64)$skb->ip_summed, (uint64)$skb->len, *(uint64 *)$dev->dev_addr,
        (uint64)$dev->dev.links.status);
    printf("packet last=%llx index=%llx inum=%llx name=%s\n", (uint64)$dev->broadcast[5],
        (uint64)$dev->ifindex, (uint64)$dev->nd_net.net->ns.inum, $dev->name);
}
kprobe:udp_sendmsg, kprobe:udpv6_sendmsg {
    $sk = (struct sock *)arg0;
    printf("sock %d family=%llx num=%llx dport=%llx own=%llx other=%llx\n", pid,
        (uint64)$sk->__sk_common.skc_family, (uint64)$sk->__sk_common.skc_num,
        (uint64)$sk->__sk_common.skc_dport, (uint64)$sk->__sk_common.skc_rcv_saddr,
        (uint64)$sk->__sk_common.skc_daddr);
    printf("sock %d o0=%llx o1=%llx o2=%llx o3=%llx\n", pid,
        (uint64)$sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[0],
        (uint64)$sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[1],
        (uint64)$sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[2],
        (uint64)$sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[3]);
    printf("sock %d d0=%llx d1=%llx d2=%llx d3=%llx\n", pid,
        (uint64)$sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[0],
        (uint64)$sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[1],
        (uint64)$sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[2],
        (uint64)$sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[3]);
    printf("sock %d state=%llx type=%llx protocol=%llx\n", pid, (uint64)$sk->sk_socket->state,
        (uint64)$sk->sk_type, (uint64)$sk->sk_protocol);
}
BEGIN { printf("ready\n"); }
SCRIPT
set -m
bpftrace -B line "$W/script" >"$W/theirs" 2>&1 </dev/null &
theirs=$!
set +m
nfscope-guest await "$W/theirs" ready --pid "$theirs" --limit 150 || fail "$(head "$W/theirs")"

for part in 0 1 2 3 4; do
    # shellcheck disable=SC2046
    nfscope_run probe --json wake_up_new_task $(cat "$W/fields.$part") if 'comm == "forker"'
    "$W/forker" -c '(:); (:); :'
    nfscope_stop
    expect_events lost 0
    expect_events probe 2
    cp "$EVENTS" "$W/events.$part"
done

ip='((struct iphdr *)skb.data)'
nfscope_run probe --json ip_rcv skb.pkt_type skb.ip_summed "$ip.version" "$ip.ihl" \
    '(u8)skb.len' "$ip.tot_len" "$ip.saddr" "$ip.protocol" 'dev.dev_addr[0]' 'dev.dev_addr[1..6]' \
    'skb.data[0..20]' 'dev.broadcast[5]' 'skb.len:hex' 'skb.data:bytes[16]' "$ip.daddr:ip" \
    '&skb.data[16]:ip' '&skb.data[8]:ip6' dev.dev_addr:mac dev.broadcast:mac \
    '((struct udphdr *)&skb.data[20]).dest:port' dev.dev.links.status:enum \
    'skb.pkt_type:enum[nf_inet_hooks]' dev.name dev.name:str 'dev.name:str[4]' 'dev.name[1..3]' \
    'container_of(&dev.mtu, struct net_device, mtu).ifindex' dev.nd_net.net.ns.inum skb:tuple \
    --filter 'udp dst port 10000'
send client udp 10.0.0.2:10000
nfscope_stop
expect_events lost 0
expect_events probe 1
cp "$EVENTS" "$W/events.packet"

nfscope_run probe --json 'udp*_sendmsg' sk:tuple sk.__sk_common.skc_family:enum \
    'container_of(sk.sk_socket.file.f_inode, struct socket_alloc, vfs_inode).socket.state' \
    sk.sk_type sk.sk_protocol
# not by a function, whose subshell would be the process
nsenter --net=/run/netns/client \
    bash -c 'exec 3<>/dev/udp/10.0.0.2/9 4<>/dev/udp/fd00::2/10; echo >&3; echo >&4' &
did=$!
wait "$did"
nfscope_stop
cp "$EVENTS" "$W/events.socket"

# bpftrace writes all that it has when it ends
kill -INT "$theirs"
wait "$theirs" || true
python3 - "$W" "$did" "$(netns_inode server)" <<'PYTHON' || fail "not what bpftrace read"
import json, sys
from socket import AF_INET, AF_INET6, inet_ntop

folder, did, netns = sys.argv[1:]
tasks, packets, sockets = {}, [], []
for line in open(f"{folder}/theirs"):
    what, *words = line.split() or [""]
    values = dict(word.split("=") for word in words if "=" in word)
    if what == "task":
        tasks.setdefault(int(words[0]), {}).update(values)
    elif what == "packet":
        if "w0" in values:
            packets.append({})
        packets[-1].update(values)
    elif what == "sock" and words[0] == did:
        if "family" in values:
            sockets.append({})
        sockets[-1].update(values)


def probes(name):
    events = (json.loads(line) for line in open(f"{folder}/events.{name}"))
    return [event for event in events if event["type"] == "probe"]


def number(field):
    value = field.get("value", 0)  # bpftrace has 0 of what it could not read
    if isinstance(value, str) and "." in value:
        return int.from_bytes(bytes(map(int, value.split("."))), "big")
    return int(value)


different = []
paths = [line.split("\t") for line in open(f"{folder}/paths").read().splitlines()]
compared = read = filled = 0
for part in range(5):
    events = probes(part)
    for at, path in enumerate(paths[60 * part:60 * part + 60], 1):
        fields = [(tasks[e["fields"][0]["value"]], e["fields"][at]) for e in events]
        read += all("value" in field for _, field in fields)
        theirs = [values.get(str(60 * part + at - 1)) for values, _ in fields]
        if None in theirs:
            continue
        compared += 1
        _, _, bits, turned = path
        pairs = []
        for other, (_, field) in zip(theirs, fields):
            assert field["name"] == path[0]
            other = int(other, 16) % (1 << int(bits))
            if turned == "1":
                other = int.from_bytes(other.to_bytes(int(bits) // 8, "little"), "big")
            pairs.append((number(field) % (1 << int(bits)), other))
        filled += any(other for _, other in pairs)
        # what stays still does so at one event at least
        if all(own != other for own, other in pairs):
            different.append((path[0], pairs))
print(f"{compared} values compared, {filled} of them not 0; {read} of 300 were read")
if compared < 150 or filled < 30 or read < 150:
    different.append("too few")


def check(name, fields, wanted):
    fields = [(f["name"], f.get("text", f.get("value"))) for f in fields]
    if len(fields) != len(wanted):
        different.append((name, fields))
    different.extend((name, f, w) for f, w in zip(fields, wanted) if f[1] != w)


def bytes_of(packet):
    return b"".join(int(packet[f"w{n}"], 16).to_bytes(8, "little") for n in range(4))


# those of the sockets came, too, and answers that nobody listens
to = bytes([10, 0, 0, 2]), (10000).to_bytes(2, "big")
[packet] = [p for p in packets if (bytes_of(p)[16:20], bytes_of(p)[22:24]) == to]
data = bytes_of(packet)
numbers = {key: int(value, 16) for key, value in packet.items() if key != "name"}
mac = numbers["mac"].to_bytes(8, "little")[:6]
assert numbers["inum"] == int(netns) and numbers["last"] == 255
[event] = probes("packet")
check("packet", event["fields"], [
    numbers["type"], numbers["summed"], data[0] >> 4, data[0] & 15, numbers["len"] & 255,
    int.from_bytes(data[2:4], "big"), inet_ntop(AF_INET, data[12:16]), "IPPROTO_UDP",
    mac[0], str(list(mac[1:])), str(list(data[:20])), numbers["last"], hex(numbers["len"]),
    data[:16].hex(), inet_ntop(AF_INET, data[16:20]), inet_ntop(AF_INET, data[16:20]),
    inet_ntop(AF_INET6, data[8:24]), mac.hex(":"), "ff:ff:ff:ff:ff:ff",
    int.from_bytes(data[22:24], "big"), ["DL_DEV_NO_DRIVER"][numbers["link"]],
    ["NF_INET_PRE_ROUTING"][numbers["type"]], packet["name"], packet["name"],
    packet["name"][:3], packet["name"][1:3], numbers["index"], numbers["inum"],
    f"{inet_ntop(AF_INET, data[12:16])}:{int.from_bytes(data[20:22], 'big')} > 10.0.0.2:10000",
])

events = [e for e in probes("socket") if e["process"]["pid"] == int(did)]
if not len(events) == len(sockets) == 2:
    different.append((events, sockets))
for event, texts in zip(events, sockets):
    sock = {key: int(value, 16) for key, value in texts.items()}
    port = int.from_bytes(sock["dport"].to_bytes(2, "little"), "big")

    def address(*names):
        raw = b"".join(sock[name].to_bytes(4, "little") for name in names)
        return inet_ntop(AF_INET, raw) if len(raw) == 4 else f"[{inet_ntop(AF_INET6, raw)}]"

    if sock["family"] == 2:
        own, other = address("own"), address("other")
        assert (own, other, port) == ("10.0.0.1", "10.0.0.2", 9)
    else:
        own, other = address("o0", "o1", "o2", "o3"), address("d0", "d1", "d2", "d3")
        assert (own, other, port) == ("[fd00::1]", "[fd00::2]", 10)
    check("socket", event["fields"], [
        f"{own}:{sock['num']} > {other}:{port}", {2: "AF_INET", 10: "AF_INET6"}[sock["family"]],
        {1: "SS_UNCONNECTED", 3: "SS_CONNECTED"}[sock["state"]],
        {2: "SOCK_DGRAM"}[sock["type"]], {17: "IPPROTO_UDP"}[sock["protocol"]],
    ])
print(*different[:8], sep="\n")
sys.exit(bool(different))
PYTHON

# What is wrong with a right path, and where it stands.
python3 - "$W/paths" >"$W/wrong" <<'PYTHON'
import sys

paths = [line.split("\t")[0] for line in open(sys.argv[1]).read().splitlines()]
[member, other] = [path for path in paths if path.startswith("p.") and path[-1] != "]"][:2]
element = next(path for path in paths if path.endswith("]"))
cast = next(path for path in paths if path.startswith("(("))
# text, what is wrong in it, and what is said
last = member.rsplit(".", 1)[1]
print(member + "_zz", last + "_zz", "has no member", sep="\t")
print(element[:element.rindex("[")] + "[99999]", None, "it has ", sep="\t")
print(cast.replace("struct ", "struct zz_", 1), cast[2:cast.index("*") + 1].replace("struct ", "struct zz_", 1),
      "has no struct zz_", sep="\t")
print(f"if {other} == zz_none", "zz_none", "neither an argument or field", sep="\t")
print(f"{other}:zz_format", "zz_format", "is no format", sep="\t")
PYTHON
while IFS=$'\t' read -r text part said; do
    status=0
    nfscope probe wake_up_new_task "$text" >"$EVENTS" 2>"$ERRORS" </dev/null || status=$?
    expect_equal "status of probe $text" "$status" 2
    expect_text "$said"
    python3 - "$ERRORS" "$text" "$part" <<'PYTHON' || fail "wrong place: $(cat "$ERRORS")"
import sys

_, shown, carets = open(sys.argv[1]).read().splitlines()[-3:]
marked = shown[carets.index("^"):len(carets)]
part = sys.argv[2] if sys.argv[3] == "None" else sys.argv[3]
sys.exit(shown.strip() != sys.argv[2] or set(carets) != {" ", "^"} or marked != part)
PYTHON
done <"$W/wrong"
