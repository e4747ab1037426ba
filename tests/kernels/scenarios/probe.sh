# What `probe` reads is what bpftrace reads at the same events: arguments, paths
# through pointers, results, registers inside of a function, tracepoints; names of
# macros and enums; conditions, counts and histograms in the kernel; wrong words.
# timeout: 600
topology 4
modprobe -a ip_tables iptable_filter nf_tables
rules server <<'RULES'
table ip filter {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 10000 accept
    }
}
RULES
btf() { [ -e "/sys/kernel/btf/$1" ]; }

# Where nft_do_chain is left with a verdict, and a register that has something then:
# the rule, or what the others hold where that one lies on the stack.
nfscope doctor --points --json >"$W/points"
python3 - "$W/points" >"$W/point" <<'PYTHON'
import json, sys

points = json.load(open(sys.argv[1]))
verdict = points.get("points", points)["verdict"]
held = verdict["holds"]
registers = [held[k] for k in ("rule", "pkt", "regs", "chain") if (held[k] or "").isalnum()]
print(verdict["probes"][0], registers[0])
PYTHON
read -r offset register <"$W/point"
echo "nft_do_chain+$offset has $register"

cat >"$W/script" <<'SCRIPT'
kprobe:do_ipt_get_ctl {
    printf("ipt %d %d %d\n", pid, ((struct sock *)arg0)->__sk_common.skc_family, arg1);
}
kprobe:vfs_open {
    printf("open %d %s\n", pid, str(((struct path *)arg0)->dentry->d_name.name));
}
kprobe:tcp_v4_connect {
    @port[tid] = ((struct sockaddr_in *)arg1)->sin_port;
    @family[tid] = ((struct sock *)arg0)->__sk_common.skc_family;
}
kretprobe:tcp_v4_connect {
    printf("connect %d %d %d %d\n", pid, @family[tid], @port[tid], (int32)retval);
}
tracepoint:sock:inet_sock_set_state {
    printf("state %d %d\n", args->oldstate, args->newstate);
}
BEGIN { printf("ready\n"); }
SCRIPT
case $register in r[abcds][xpi]) bare=${register#r} ;; *) bare=$register ;; esac
echo "kprobe:nft_do_chain+$offset { printf(\"register %llu\\n\", reg(\"$bare\")); }" >>"$W/script"
set -m
bpftrace --unsafe -B line "$W/script" >"$W/theirs" 2>&1 </dev/null &
theirs=$!
set +m
nfscope-guest await "$W/theirs" ready --pid "$theirs" --limit 90 || fail "$(cat "$W/theirs")"

# probe WORDS… -- TRAFFIC…: events of what TRAFFIC does, its process in $did
probe() {
    local words=()
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    nfscope_run probe --json "${words[@]}"
    "$@" >"$W/traffic" 2>&1 </dev/null &
    did=$!
    wait "$did" || true
    nfscope_stop
    expect_events lost 0
}
# ours FIELD…: values of the events of process $did; name:FIELD: their names
ours() {
    python3 - "$EVENTS" "${did-}" "$@" <<'PYTHON'
import json, sys

events, did, *names = sys.argv[1:]
for line in open(events):
    event = json.loads(line)
    if event["type"] != "probe" or did and event.get("process", {}).get("pid") != int(did):
        continue
    fields = {f["name"]: f for f in event["fields"]}
    words = []
    for name in names:
        field = fields[name.removeprefix("name:")]
        words.append(str(field.get("text" if name.startswith("name:") else "value", "?")))
    print(*words)
PYTHON
}
# beside TAG FIELD…: those values are bpftrace's
beside() {
    local tag=$1
    shift
    ours "$@" >"$W/ours.values"
    for _ in $(seq 100); do
        sed -n "s/^$tag ${did:+$did }//p" "$W/theirs" >"$W/theirs.values"
        cmp -s "$W/ours.values" "$W/theirs.values" && break
        sleep 0.1
    done
    [ -s "$W/ours.values" ] || fail "$tag: no events: $(cat "$ERRORS")"
    diff "$W/theirs.values" "$W/ours.values" || fail "$tag: not what bpftrace read"
}

# A register inside of a function.
nfscope_run probe "nft_do_chain+$offset" "@$register" --json
send client udp 10.0.0.2:10000 --count 3
nfscope_stop
expect_events probe 3 module=nf_tables
did='' beside register "@$register"

# Who reads iptables: a module's function, which 5.10 knows no arguments of.
typed=(sk.__sk_common.skc_family cmd)
untyped=('((struct sock *)arg0).__sk_common.skc_family' arg1)
if btf ip_tables; then
    probe do_ipt_get_ctl "${typed[@]}" -- iptables-legacy -nL
    beside ipt "${typed[@]}"
    ours name:sk.__sk_common.skc_family name:cmd >"$W/names"
    grep -qx 'AF_INET IPT_SO_GET_INFO' "$W/names" || fail "no names: $(cat "$W/names")"
    grep -qx 'AF_INET IPT_SO_GET_ENTRIES' "$W/names" || fail "no names: $(cat "$W/names")"
else
    nfscope probe do_ipt_get_ctl cmd >"$EVENTS" 2>"$ERRORS" && fail "a name without types"
    expect_text 'no type information of its modules'
    expect_text '((struct sock *)arg0)'
    nfscope probe do_ipt_get_ctl --ret if 'ret < 0' >"$EVENTS" 2>"$ERRORS" && fail "no type"
    expect_text '(int)ret'
fi
probe do_ipt_get_ctl "${untyped[@]}" -- iptables-legacy -nL
beside ipt "${untyped[@]}"
ours "name:${untyped[0]}" >"$W/names"
grep -qx AF_INET "$W/names" || fail "no names: $(cat "$W/names")"

# Opened files, with a condition on text; the stack.
probe vfs_open path.dentry.d_name.name:str -- cat /etc/hostname
beside open path.dentry.d_name.name
grep -q '"hostname"' "$EVENTS" || fail "hostname was not opened"
probe vfs_open path.dentry.d_name.name:str --stack \
    if 'comm == "cat" && path.dentry.d_name.name == "hostname" && pid != 1' -- cat /etc/hostname
expect_events probe 1 place=vfs_open process.command=cat stack.state=whole
grep -q '"function":"do_sys_open' "$EVENTS" || fail "no stack: $(cat "$EVENTS")"
nfscope_run probe vfs_open path.dentry.d_name.name:str if 'comm == "cat"' -c 1
cat /etc/hostname >/dev/null
nfscope_wait
grep -qE '^[0-9:.]+ cat\[[0-9]+\] vfs_open path.dentry.d_name.name=' "$EVENTS" ||
    fail "not a line: $(cat "$EVENTS")"

# A call with its result and duration; parts of the condition before and after it.
port='((struct sockaddr_in *)uaddr).sin_port:port'
closed=(within client bash -c 'exec 3<>/dev/tcp/10.0.0.2/9')
probe tcp_v4_connect sk.__sk_common.skc_family "$port" sk:tuple --ret -- "${closed[@]}"
did=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$EVENTS" | head -n 1)
python3 - "$W/theirs" <<'PYTHON'
import re, sys

# bpftrace does not know of network order
text = open(sys.argv[1]).read()
turn = lambda m: f"{m[1]} {(int(m[2]) & 255) << 8 | int(m[2]) >> 8} {m[3]}"
open(sys.argv[1] + ".turned", "w").write(re.sub(r"(?m)^(connect \d+ \d+) (\d+) (-?\d+)$", turn, text))
PYTHON
ours sk.__sk_common.skc_family "${port%:port}" ret >"$W/ours.values"
sed -n "s/^connect $did //p" "$W/theirs.turned" >"$W/theirs.values"
diff "$W/theirs.values" "$W/ours.values" || fail "connect: not what bpftrace read"
expect_events probe 1 place=tcp_v4_connect 'latency_ns>=1'
probe tcp_v4_connect if "ret < 0 || ${port%:port} == 9 && latency > 0" --ret -- "${closed[@]}"
expect_events probe 1 'latency_ns>=1'
probe tcp_v4_connect if 'sk.__sk_common.skc_family == AF_INET && ret == -EPERM' --ret -- "${closed[@]}"
expect_events probe 0

# A tracepoint, with the kernel's names of its values.
probe sock:inet_sock_set_state oldstate newstate daddr -- "${closed[@]}"
did='' beside_of=$(wc -l <"$EVENTS")
[ "$beside_of" -gt 0 ] || fail "no state changed"
ours name:oldstate name:newstate >"$W/names"
grep -qx 'TCP_CLOSE TCP_SYN_SENT' "$W/names" || fail "no names: $(cat "$W/names")"
grep -q '"value":"10.0.0.2"' "$EVENTS" || fail "no address: $(cat "$EVENTS")"

# A record's text, in it and behind it (__data_loc), and a bool.
nfscope_run probe sched:sched_switch prev_comm -c 1 --json
nfscope_wait
grep -qE '"name":"prev_comm","value":"[^"]' "$EVENTS" || fail "no text: $(cat "$EVENTS")"
nfscope_run probe net:net_dev_start_xmit name vlan_tagged --json
send client udp 10.0.0.2:10000 --count 3
nfscope_stop
did='' ours name vlan_tagged >"$W/names"
grep -qx 'eth0 False' "$W/names" || fail "no device: $(cat "$W/names")"

# Many fields, any of which could be unreadable.
many=()
for _ in $(seq 40); do many+=(skb.dev.ifindex); done
nfscope_run probe ip_rcv "${many[@]}" --filter 'udp dst port 10000' --json
send client udp 10.0.0.2:10000 --count 2
nfscope_stop
expect_events probe 2

# A packet filter, and a condition on a device's name.
nfscope_run probe ip_rcv skb.dev.name skb.protocol --filter 'udp dst port 10000' --json
send client udp 10.0.0.2:10000 --count 3
send client udp 10.0.0.2:10001 --count 2
nfscope_stop
expect_events probe 3
did='' ours skb.dev.name name:skb.protocol | sort | uniq -c >"$W/names"
expect_equal "devices" "$(awk '{ print $1, $2, $3 }' "$W/names")" "3 eth0 ETH_P_IP"
nfscope_run probe ip_rcv skb.dev.name if 'skb.dev.name == "eth0" && skb.len & 0xffff > 20' -c 2
send client udp 10.0.0.2:10000 --count 2
nfscope_wait

# Counted in the kernel.
nfscope_run probe udp_rcv --count-by skb.dev.name --count-by skb.protocol --json
send client udp 10.0.0.2:10000 --count 7
nfscope_stop
expect_events probe_count 1 count=7
nfscope_run probe udp_rcv --hist skb.len --json
send client udp 10.0.0.2:10000 --count 5
nfscope_stop
expect_text '"count":5}]'
nfscope_run probe 'udp_rc*' skb.dev.name --json
send client udp 10.0.0.2:10000 --count 2
nfscope_stop
expect_events probe 2 place=udp_rcv

# wrong TEXT WORDS…
wrong() {
    local text=$1 status=0
    shift
    nfscope probe "$@" >"$EVENTS" 2>"$ERRORS" </dev/null || status=$?
    expect_equal "status of probe $*" "$status" 2
    expect_text "$text"
}
wrong 'did you mean path?' vfs_open paht.dentry
grep -qx '  ^^^^' "$ERRORS" || fail "no caret: $(cat "$ERRORS")"
wrong 'did you mean d_name' vfs_open path.dentry.d_nmae
wrong 'did you mean sock' vfs_open '((struct scok *)arg0).x'
wrong 'is printed by its members' vfs_open path.dentry.d_name
wrong 'add --ret' vfs_open ret
wrong 'vfs_open takes 2 arguments' vfs_open arg2
wrong 'it is never -1' vfs_open path.dentry.d_inode.i_mode if 'path.dentry.d_inode.i_mode == -1'
wrong 'neither an argument' vfs_open if 'path.dentry.d_inode.i_mode == S_NONE'
wrong 'something is missing here' vfs_open if 'path =='
wrong 'no format' vfs_open path:strr
wrong 'this is too long' vfs_open "path$(printf '.dentry%.0s' $(seq 300))"
wrong 'behind if' vfs_open 'pid == 1'
wrong 'comm is text' vfs_open if 'comm == 5'
wrong 'tells nothing' sched:sched_switch '&prev_pid'
wrong 'only registers are' vfs_open+1 path
wrong 'this kernel has no such function' vfs_opne
wrong 'first six arguments' vfs_open path --filter udp

kill -INT "$theirs"
wait "$theirs" || true
