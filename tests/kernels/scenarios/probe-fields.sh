# Fields of `probe` made by chance of the kernel's types: all load, and those that are
# compared have bpftrace's values. What is read lies on the stack of who opens a file,
# and in the file.
# timeout: 600
nfscope-guest probe-paths --count 300 >"$W/paths"
python3 - "$W" <<'PYTHON'
import sys

folder = sys.argv[1]
paths = [line.split("\t") for line in open(f"{folder}/paths").read().splitlines()]
assert len(paths) == 300
for start in range(0, 300, 60):
    open(f"{folder}/fields.{start // 60}", "w").write(" ".join(p[0] for p in paths[start:start + 60]))
with open(f"{folder}/script", "w") as script:
    script.write('kprobe:vfs_open /comm == "cat"/ { printf("event %d\\n", pid);\n')
    for number, path in [(n, p[1]) for n, p in enumerate(paths) if len(p) == 2][:48]:
        script.write(f'printf("%d %d %llx\\n", pid, {number}, (uint64)({path}));\n')
    script.write('}\nBEGIN { printf("ready\\n"); }\n')
PYTHON
set -m
bpftrace -B line "$W/script" >"$W/theirs" 2>&1 </dev/null &
theirs=$!
set +m
nfscope-guest await "$W/theirs" ready --pid "$theirs" --limit 90 || fail "$(head "$W/theirs")"
for part in 0 1 2 3 4; do
    # shellcheck disable=SC2046
    nfscope_run probe --json vfs_open $(cat "$W/fields.$part") if 'comm == "cat"'
    cat /etc/hostname >/dev/null &
    echo $! >"$W/did.$part"
    wait $!
    nfscope_stop
    expect_events lost 0
    cp "$EVENTS" "$W/events.$part"
done
sleep 1
kill -INT "$theirs"
wait "$theirs" || true
python3 - "$W" <<'PYTHON' || fail "not what bpftrace read"
import collections, json, sys

folder = sys.argv[1]
theirs = collections.defaultdict(list)
for line in open(f"{folder}/theirs"):
    words = line.split()
    if line.startswith("event"):
        theirs[int(words[1])].append({})
    elif len(words) == 3 and words[0].isdigit():
        theirs[int(words[0])][-1][int(words[1])] = int(words[2], 16)
compared, different, read = 0, [], 0
for part in range(5):
    did = int(open(f"{folder}/did.{part}").read())
    events = [json.loads(line) for line in open(f"{folder}/events.{part}")]
    ours = [e for e in events if e["type"] == "probe" and e["process"]["pid"] == did]
    assert len(ours) == len(theirs[did]) > 0, (part, len(ours), len(theirs[did]))
    for event, other in zip(ours, theirs[did]):
        assert len(event["fields"]) == 60
        read += sum("value" in f for f in event["fields"])
        for number, field in enumerate(event["fields"], 60 * part):
            if number in other:
                compared += 1
                # bpftrace has 0 of what it could not read
                if int(field.get("value", 0)) % 2**64 != other[number]:
                    different.append((field, hex(other[number])))
print(f"{compared} values compared, {len(different)} differ; {read} were read")
print(*different[:8], sep="\n")
sys.exit(bool(different) or compared < 100)
PYTHON
