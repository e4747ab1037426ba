# What `functions` says of each function is what the kernel does: the tracer's list,
# the kprobe blacklist, bpftrace's lists and types, bpftool's types, and what the
# kernel answers who sets a probe; and of what is attached, by whom.
# timeout: 400
modprobe nf_tables
tracing=/sys/kernel/tracing

began=$(date +%s%N)
nfscope functions --json >"$EVENTS" 2>"$ERRORS"
echo "all functions in $((($(date +%s%N) - began) / 1000000)) ms: $(tail -n 1 "$ERRORS")"
grep -q -e '^-- ' "$ERRORS" && fail "something could not be read: $(cat "$ERRORS")"
bpftrace -l 'kprobe:*' >"$W/kprobes" 2>/dev/null
bpftrace -lv 'fentry:*' >"$W/fentry" 2>/dev/null
bpftool btf dump file /sys/kernel/btf/vmlinux format raw >"$W/types"
cp $tracing/available_filter_functions "$W/traceable"
cp /sys/kernel/debug/kprobes/blacklist "$W/blacklist"

cat >"$W/compare.py" <<'PYTHON'
import collections, json, os, random, re, sys

folder, events = sys.argv[1:]
random.seed(os.uname().release)
read = lambda name: open(f"{folder}/{name}").read().splitlines()
functions = [json.loads(line) for line in open(events)]
code = [f for f in functions if "address" in f]
key = lambda f: (f["name"], f.get("module"))
by_name, by_address = collections.defaultdict(list), collections.defaultdict(list)
for f in code:
    f["at"] = int(f["address"], 16)
    by_name[key(f)].append(f)
    by_address[f["at"]].append(f)
failed = False


def check(what, total, differences, most=0.001):
    """At most so many of all may differ, beside the classes that were taken out."""
    global failed
    print(f"{what}: {total} compared, {len(differences)} differ")
    if not total or len(differences) > most * total:
        failed = True
        print(f"FAILED {what}:", *differences[:8], sep="\n    ")


can = lambda f, way: way in f["probes"]
says = lambda f, way, word: word in f.get("not", {}).get(way, "") + f.get("unknown", {}).get(way, "")

# The tracer's list: who is there can be traced, unless only some of its name can.
listed = set()
for line in read("traceable"):
    words = line.split()
    # where a weak function was, that another took the place of
    if words[0].startswith("__ftrace_invalid_address"):
        continue
    listed.add((words[0], words[1].strip("[]") if len(words) > 1 else None))
multi = any(can(f, "kprobe-multi") for f in code)
way = "kprobe-multi" if multi else "kprobe"
agrees = lambda f: can(f, way) or says(f, way, "some can be traced") or says(f, way, "blacklist")
check("listed by the tracer", len(listed),
      [k for k in listed if not any(agrees(f) for f in by_name[k])])
# Of several names for an address the tracer lists one; a part that the compiler cut
# off is probed where its origin can be.
alias = lambda f: any(key(g) in listed for g in by_address[f["at"]])
cut = lambda f: way == "kprobe" and (f["name"].split(".")[0], f.get("module")) in listed
said = [f for f in code if can(f, way)]
check(f"{way} that the tracer lists", len(said),
      [key(f) for f in said if not (key(f) in listed or alias(f) or cut(f))])

# The blacklist, by address.
ranges = []
for line in read("blacklist"):
    begin, end = line.split()[0].split("-")
    ranges.append((int(begin, 16), int(end, 16)))
starts = {begin for begin, end in ranges if begin < end}
check("blacklisted", len(starts), [
    hex(at) for at in starts for f in by_address[at]
    if not says(f, "kprobe", "blacklist") and not says(f, "kprobe", "freed")
])
inside = lambda at: any(begin <= at < end for begin, end in ranges)
origin = lambda f: by_name[(f["name"].split(".")[0], f.get("module"))]
refused = [f for f in code if says(f, "kprobe", "blacklist")]
check("said to be blacklisted", len(refused), [
    key(f) for f in refused if not inside(f["at"]) and not any(inside(o["at"]) for o in origin(f))
])

# bpftrace's list of kprobes, which are names: it leaves out what the compiler cut off,
# what it thinks dangerous, and of several names for an address all but one.
left_out = lambda name: re.match(r"rcu_|.*_idle$|bpf_dispatcher_.*|.*\.", name)
theirs = {line.split(":")[-1] for line in read("kprobes")}
named = collections.defaultdict(list)
for f in code:
    named[f["name"]].append(f)
check("kprobes that bpftrace lists", len(theirs), [
    n for n in theirs if not any(
        can(f, "kprobe") or says(f, "kprobe", "some can be traced") or says(f, "kprobe", "blacklist")
        for f in named[n])
])
ours = {f["name"] for f in code if can(f, "kprobe")}
check("kprobes that bpftrace lists, too", len(ours), [
    n for n in ours - theirs
    if not left_out(n) and not any(g["name"] in theirs for f in named[n] for g in by_address[f["at"]])
])

# Types as libbpf writes them (bpftrace), of all functions. It calls "..." void, knows no
# functions with arguments beyond registers, and numbers types of one name (a module's
# own beside the kernel's).
squeeze = lambda text: "".join(text.split())
arguments, name = {}, None
for line in read("fentry"):
    if line.startswith("fentry:"):
        name = tuple(line.split(":")[1:])
        arguments[name] = []
    elif line.startswith("    "):
        line = re.sub(r"___\d+\b", "", line) if "___" in line else line
        arguments[name].append(squeeze(line))
described = {(f.get("module", "vmlinux"), f["name"]): f for f in functions if "arguments" in f}
differ = []
for name, wanted in arguments.items():
    found = ["not described"]
    if f := described.get(name):
        found = [squeeze(a["type"] + a.get("name", "")) for a in f["arguments"]]
        found = ["void" if a == "..." else a for a in found]
        found += [squeeze(f["returns"] + "retval")] * (f["returns"] != "void")
    # bpftrace joins the types of several functions of a name
    joined = f and "type_of_one_of" in f and found == wanted[:len(found)]
    if found != wanted and not joined:
        differ.append((name, wanted, found))
check("types as bpftrace has them", len(arguments), differ)
REASONS = "variable number|several functions|struct|type that no register|12 arguments|stack|BPF itself"
check("fentry that bpftrace lists", len(arguments), [
    (n, described[n].get("not")) for n in arguments if n in described
    and not can(described[n], "fentry")
    and not any(says(described[n], "fentry", word) for word in REASONS.split("|"))
])
fentry = [f for f in code if can(f, "fentry")]
check("fentry that bpftrace lists, too", len(fentry), [
    key(f) for f in fentry
    if (f.get("module", "vmlinux"), f["name"]) not in arguments
    and not left_out(f["name"]) and len(f["arguments"]) <= 6 and not says(f, "kprobe", "blacklist")
    and not any((g.get("module", "vmlinux"), g["name"]) in arguments for g in by_address[f["at"]])
])

# Types as bpftool has them, declared here once more, of a thousand functions.
types, protos = {}, {}
for block in open(f"{folder}/types").read().split("\n["):
    number, rest = block.lstrip("[").split("]", 1)
    types[int(number)] = rest
text_of = lambda text, field: re.search(rf"\b{field}=(\d+)", text).group(1)


def declare(number, inner=""):
    words = []
    while number:
        kind = types[number].split(None, 1)[0]
        if kind not in ("CONST", "VOLATILE", "RESTRICT"):
            break
        words.append(kind.lower())
        number = int(text_of(types[number], "type_id"))
    before = " ".join(words) + " "
    if not number:
        return f"{before}void {inner}"
    text = types[number]
    kind, name = text.split(None, 1)[0], re.search(r"'(.*?)'", text).group(1)
    bound = f"({inner})" if inner.startswith("*") else inner
    if kind == "PTR":
        return declare(int(text_of(text, "type_id")), f"*{before}{inner}")
    if kind == "ARRAY":
        return before + declare(int(text_of(text, "type_id")), f"{bound}[{text_of(text, 'nr_elems')}]")
    if kind == "FUNC_PROTO":
        all = []
        for line in text.splitlines()[1:]:
            name, number = re.match(r"\s*'(.*?)' type_id=(\d+)", line).groups()
            all.append(declare(int(number), "" if name == "(anon)" else name))
        if all and all[-1].strip() == "void" and len(all) > 1:
            all[-1] = "..."
        result = int(text_of(text, "ret_type_id"))
        return before + declare(result, f"{bound}({', '.join(all) or 'void'})")
    word = {"STRUCT": "struct", "UNION": "union", "ENUM": "enum", "ENUM64": "enum"}.get(kind, "")
    if kind == "FWD":
        word = text_of_fwd(text)
    name = "{...}" if name == "(anon)" else name
    return f"{before}{word} {name} {inner}"


text_of_fwd = lambda text: re.search(r"fwd_kind=(\w+)", text).group(1)
protos = collections.defaultdict(list)
for number, text in types.items():
    if text.startswith(" FUNC '"):
        protos[re.search(r"'(.*?)'", text).group(1)].append(int(text_of(text, "type_id")))
kernel = [f for f in functions if "signature" in f and "module" not in f]
some = random.sample(kernel, 1000)
check("types as bpftool has them", len(some), [
    (f["signature"], declare(protos[f["name"]][0], f["name"])) for f in some
    if squeeze(f["signature"]) not in {squeeze(declare(p, f["name"])) for p in protos[f["name"]]}
], most=0)

# What the kernel itself says to a kprobe there.
file = os.open("/sys/kernel/tracing/kprobe_events", os.O_WRONLY | os.O_APPEND)


def accepted(at):
    try:
        return os.write(file, f"p:mine/at_{at:x} {at:#x}\n".encode()) > 0
    except OSError:
        return False


chosen = random.sample([f for f in code if can(f, "kprobe")], 60)
check("kprobes that the kernel takes", len(chosen),
      [key(f) for f in chosen if not accepted(f["at"])], most=0)
for word in "blacklist", "notrace", "freed":
    never = [f for f in code if says(f, "kprobe", word)]
    chosen = random.sample(never, min(15, len(never)))
    check(f"kprobes that the kernel refuses ({word})", len(chosen),
          [key(f) for f in chosen if accepted(f["at"])], most=0)
os.close(file)
open("/sys/kernel/tracing/kprobe_events", "w").close()

usual = [f["name"] for f in fentry if re.match("(ip|tcp|udp|nf|dev)_", f["name"]) and "module" not in f]
open(f"{folder}/chosen", "w").write(" ".join(random.sample(usual, 12)))
sys.exit(failed)
PYTHON
python3 "$W/compare.py" "$W" "$EVENTS" || fail "not what the kernel says"

# Trampolines where they are said to be possible; what is attached, and by whom.
chosen=$(cat "$W/chosen")
set -m
# shellcheck disable=SC2086
bpftrace -e "$(printf 'fentry:vmlinux:%s { @ = count(); } ' $chosen)
    kprobe:ip_rcv, kretprobe:udp_rcv, tracepoint:skb:kfree_skb { @ = count(); }
    BEGIN { printf(\"ready\\n\"); }" >"$W/bpftrace" 2>&1 </dev/null &
other=$!
set +m
nfscope-guest await "$W/bpftrace" ready --pid "$other" || fail "$(cat "$W/bpftrace")"
echo 'p:mine/one tcp_v4_rcv' >$tracing/kprobe_events
echo 'p:mine/off nf_hook_slow' >>$tracing/kprobe_events
echo 1 >$tracing/events/mine/one/enable
echo 1 >$tracing/events/sock/inet_sock_set_state/enable
nfscope functions --active --json >"$EVENTS" 2>"$ERRORS"
nfscope functions --active >"$W/active"
bpftool --json prog show >"$W/programs"
cp $tracing/enabled_functions "$W/enabled"
cp /sys/kernel/debug/kprobes/list "$W/list"
echo 0 >$tracing/events/sock/inet_sock_set_state/enable
echo 0 >$tracing/events/mine/one/enable
echo >$tracing/kprobe_events
kill -INT "$other"
wait "$other" || true
grep -q -e '^-- ' "$ERRORS" && fail "something could not be read: $(cat "$ERRORS")"
cat >"$W/active.py" <<'PYTHON'
import json, os, sys

folder, events, other = sys.argv[1:]
lines = [json.loads(line) for line in open(events)]
of = lambda kind: [line for line in lines if line["type"] == kind]
equal = lambda what, found, wanted: found == wanted or sys.exit(f"{what}: {found}, expected {wanted}")
programs = json.load(open(f"{folder}/programs"))
equal("programs", {p["id"]: p["program_type"] for p in of("bpf")},
      {p["id"]: p["type"] for p in programs})
owner = {"process": {"pid": int(other), "command": "bpftrace"}}
theirs = [p for p in of("bpf") if owner in p.get("holders", [])]
places = [place for p in theirs for place in p.get("places", [])]
chosen = open(f"{folder}/chosen").read().split()
trampolines = [p for p in places if p["kind"] == "trampoline"]
equal("trampolines", len(trampolines), len(chosen))
# which functions is told since 5.13
told = [p["function"] for p in trampolines if "function" in p]
if not os.uname().release.startswith("5.10."):
    equal("functions", sorted(told), sorted(chosen))
assert {"kind": "tracepoint", "name": "kfree_skb", "raw": False} in places, places
for function, returns in ("ip_rcv", False), ("udp_rcv", True):
    assert any(p["kind"] in ("kprobe", "kprobe_multi") and p["function"] == function
               and p["returns"] == returns for p in places), (function, places)
kprobes = of("kprobe")
equal("kprobes", len(kprobes), len(open(f"{folder}/list").read().splitlines()))
for function, wanted in (("ip_rcv", owner), ("tcp_v4_rcv", {"event": {"name": "mine:one"}}),
                         ("nf_hook_slow", {"event": {"name": "mine:off"}})):
    mine = [k for k in kprobes if k["function"] == function and not k["returns"]]
    if function == "ip_rcv" and not mine:
        continue
    assert mine and all(k.get("owners") == [wanted] for k in mine), (function, mine)
enabled = [l for l in open(f"{folder}/enabled").read().splitlines() if not l.startswith("\t")]
traced = of("ftrace")
equal("traced", sorted(t["function"] for t in traced), sorted(l.split()[0] for l in enabled))
for t in traced:
    if t["function"] in chosen and told:
        assert owner in t["owners"], t
shown = {(e["group"], e["name"]): e["enabled"] for e in of("event")}
equal("events", shown, {("mine", "one"): True, ("mine", "off"): False,
                        ("sock", "inet_sock_set_state"): True})
PYTHON
python3 "$W/active.py" "$W" "$EVENTS" "$other" || fail "not what is attached: $(cat "$W/active")"
grep -q "^kprobe    tcp_v4_rcv.*; event mine:one$" "$W/active" || fail "$(cat "$W/active")"

# Tracepoints: fields and values as the kernel prints them.
nfscope functions --tracepoints 'sock:inet_sock_set_*' >"$EVENTS" 2>"$ERRORS"
expect_text 'sock:inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate); sock: argument 0'
expect_text '10 TCP_LISTEN'
found=$(nfscope functions --json --tracepoints '/^(sched|sock|skb|net):/' 2>/dev/null | grep -c '"fields":\[')
expect_equal "tracepoints" "$found" "$(grep -cE '^(sched|sock|skb|net):' $tracing/available_events)"

# What is chosen, and what is not there.
nfscope functions --with-skb '/^(ip|ip6)_rcv$/' udp_rcv nf_hooks_lwtunnel_sysctl_handler >"$EVENTS" 2>"$ERRORS"
expect_equal "functions" "$(grep -c '^[a-z]' "$EVENTS")" 2
expect_text '    int ip_rcv(struct sk_buff *skb, struct net_device *dev, struct packet_type *pt, struct net_device *orig_dev)'
nfscope functions --module nf_tables 'nft_do_chain*' >"$EVENTS" 2>"$ERRORS"
expect_text 'nft_do_chain [nf_tables]: '
wrong() {
    local wanted=$1 text=$2 status=0
    shift 2
    nfscope functions "$@" >"$EVENTS" 2>"$ERRORS" || status=$?
    expect_equal "status of functions $*" "$status" "$wanted"
    expect_text "$text"
}
wrong 1 'no such function; did you mean udp_rcv?' udp_rvc
wrong 1 'no such tracepoint; did you mean skb:kfree_skb?' skb:kfree_skp
wrong 2 '/(/: regex parse error' '/(/'
status=0
setpriv --reuid nobody --regid nogroup --clear-groups nfscope functions udp_rcv >"$EVENTS" 2>"$ERRORS" ||
    status=$?
expect_equal "status" "$status" 0
expect_text 'int udp_rcv(struct sk_buff *skb)'
expect_text 'unknown: fentry, kprobe, '
expect_text 'is not known'
