# Source lines in stacks (--source): without debug information the sentence that names the
# package; with a file that is made here for this kernel (its build id, its functions at
# other addresses, as KASLR has them) each frame's own line and what is inlined there.
# timeout: 180
# kernels: 5.10 6.12 7.2
topology 4
debug=/usr/lib/debug/.build-id

nfscope_run stacks udp_rcv --source --json -c 1
send client udp 10.0.0.2:10000
nfscope_wait
expect_events notice 1 text~"linux-image-$(uname -r)-dbg"
expect_events stack 1 stack.frames.0.function=udp_rcv '!stack.frames.0.source'

# Debug information as compilers write it (DWARF 4): each function is line N of kernel.c, where
# a function of inline.h, line 1000000 + N, is merged into it.
cat >"$W/debug.py" <<'PYTHON'
import json, os, re, struct, sys

BASE = 0xffffffff81000000
WANTED = re.compile(r'_*(ip_(rcv|send|local|output|finish)|tcp_v4|udp|kfree_skb|netif_receive|dev_queue)')

def string(text):
    return text.encode() + b'\0'

def leb(value):
    out = b''
    while True:
        byte, value = value & 127, value >> 7
        done = value in (0, -1) and (value == -1) == bool(byte & 64)
        out += bytes([byte | (0 if done else 128)])
        if done:
            return out

def functions():
    texts, start, end = [], 0, 0
    with open('/proc/kallsyms') as table:
        for line in table:
            address, kind, name, *module = line.split()
            if module:
                continue
            address = int(address, 16)
            start, end = (address if name == '_stext' else start,
                          address if name == '_etext' else end)
            if kind in 'tTwW':
                texts.append((address, name))
    texts.sort()
    for (address, name), (behind, _) in zip(texts, texts[1:]):
        if start <= address < behind <= end and WANTED.match(name):
            yield address - start, behind - address, name
    yield end - start, 0, None

def build_id():
    notes = open('/sys/kernel/notes', 'rb').read()
    while notes:
        name, size, kind = struct.unpack('<III', notes[:12])
        text = notes[12:12 + name]
        at = 12 + (name + 3) // 4 * 4
        if kind == 3 and text == b'GNU\0':
            return notes[at:at + size]
        notes = notes[at + (size + 3) // 4 * 4:]

abbrev = b''.join([
    bytes([1, 0x11, 1, 0x03, 8, 0x1b, 8, 0x11, 1, 0x12, 7, 0x10, 0x17, 0, 0]),
    bytes([2, 0x2e, 1, 0x03, 8, 0x11, 1, 0x12, 6, 0, 0]),
    bytes([3, 0x1d, 0, 0x31, 0x13, 0x11, 1, 0x12, 6, 0x58, 11, 0x59, 6, 0, 0]),
    bytes([4, 0x2e, 0, 0x03, 8, 0x20, 11, 0, 0]), b'\0'])
*all, (size, _, _) = functions()
# behind the length: version, abbreviations, size of an address; the unit
info = struct.pack('<HIB', 4, 0, 8) + b'\1' + string('net/kernel.c') + string('/build')
info += struct.pack('<QQI', BASE, size, 0)
merged = 4 + len(info)
info += b'\4' + string('merged') + b'\1'
program = b''
lines = {}
for number, (offset, length, name) in enumerate(all, 1):
    place = BASE + offset
    info += b'\2' + string(name) + struct.pack('<QI', place, length)
    info += b'\3' + struct.pack('<IQIBI', merged, place, length, 1, number) + b'\0'
    program += b'\0\x09\2' + struct.pack('<Q', place) + b'\4\2'
    program += b'\3' + leb(1000000 + number - 1) + b'\1'
    # the end of the sequence stands behind the function
    program += b'\0\x09\2' + struct.pack('<Q', place + length) + b'\0\1\1'
    lines.setdefault(name, []).append(number)
info += b'\0'
files = b'\0' + string('net/kernel.c') + b'\0\0\0' + string('include/inline.h') + b'\0\0\0\0'
head = bytes([1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]) + files
line = struct.pack('<HI', 4, len(head)) + head + program
own = build_id()
note = struct.pack('<III', 4, len(own), 3) + b'GNU\0' + own
names = string('') + string('_stext')
symbols = bytes(24) + struct.pack('<IBBHQQ', 1, 0x12, 0, 1, BASE, 0)
unit = lambda bytes: struct.pack('<I', len(bytes)) + bytes
sections = [('', 0, 0, b''), ('.text', 8, 6, b''), ('.note.gnu.build-id', 7, 2, note),
            ('.debug_abbrev', 1, 0, abbrev), ('.debug_info', 1, 0, unit(info)),
            ('.debug_line', 1, 0, unit(line)), ('.symtab', 2, 0, symbols), ('.strtab', 3, 0, names),
            ('.shstrtab', 3, 0, b'')]
titles = b''.join(string(name) for name, *_ in sections)
sections[-1] = ('.shstrtab', 3, 0, titles)
body, table, at = b'', b'', 0
for name, kind, flags, data in sections:
    text = name == '.text'
    table += struct.pack('<IIQQQQIIQQ', at, kind, flags, BASE if text else 0, 64 + len(body),
                         size if text else len(data), 7 if name == '.symtab' else 0,
                         1 if name == '.symtab' else 0, 4 if kind == 7 else 1,
                         24 if name == '.symtab' else 0)
    at += len(name) + 1
    body += data + bytes(-len(data) % 8)
machine = {'x86_64': 62, 'aarch64': 183}[os.uname().machine]
elf = b'\x7fELF\2\1\1' + bytes(9) + struct.pack('<HHIQQQIHHHHHH', 2, machine, 1, 0, 0,
    64 + len(body), 0, 64, 0, 0, 64, len(sections), len(sections) - 1)
path = sys.argv[1] + '/' + own.hex()[:2] + '/' + own.hex()[2:] + '.debug'
os.makedirs(os.path.dirname(path), exist_ok=True)
open(path, 'wb').write(elf + body + table)
json.dump(lines, open(sys.argv[2], 'w'))
PYTHON

# Each frame of a function that is in the file has both lines, every other one none.
cat >"$W/check.py" <<'PYTHON'
import json, sys

lines = json.load(open(sys.argv[1]))
seen = 0
for event in map(json.loads, open(sys.argv[2])):
    if event['type'] == 'stack':
        frames = [(f.get('function'), f.get('source', [])) for f in event['stack']['frames']]
    elif event['type'] in ('drop', 'reset'):
        names = [frame.split('+')[0] for frame in event['stack']]
        frames = list(zip(names, event['stack_source'], strict=True))
    else:
        continue
    for name, source in frames:
        known = [[{'function': 'merged', 'file': 'include/inline.h', 'line': 1000000 + n,
                   'inlined': True},
                  {'function': name, 'file': 'net/kernel.c', 'line': n, 'inlined': False}]
                 for n in lines.get(name, [])] or [[]]
        for frame in source:
            frame.pop('column', None)
        assert source in known, (name, source, known)
        seen += bool(source)
assert seen >= 3, f'{seen} frames with lines'
PYTHON
python3 "$W/debug.py" "$debug" "$W/lines"

# as a list (JSON), with drops, and with resets; for people the lines stand below the frame,
# as symbolize prints them
nfscope_run stacks udp_rcv --source --json -c 1
send client udp 10.0.0.2:10000
nfscope_wait
expect_events notice 0
cp "$EVENTS" "$W/told"
nfscope_run drops --stack --source --json udp dst port 10000
send client udp 10.0.0.2:10000
nfscope_stop
expect_events drop 1+
expect_events notice 0
cat "$EVENTS" >>"$W/told"
python3 "$W/check.py" "$W/lines" "$W/told" || {
    cat "$W/told"
    fail "other lines than the file's"
}
nfscope_run resets --stack --source
send client tcp 10.0.0.2:9 --wait 800
nfscope_stop
line=$(sed 's/.*"tcp_v4_rcv": \[\([0-9]*\).*/\1/' "$W/lines")
expect_text "                  merged at include/inline.h:$((1000000 + line)) (inlined)"
expect_text "                  tcp_v4_rcv at net/kernel.c:$line"
nfscope symbolize tcp_v4_rcv+0x10 >"$W/symbolized"
expect_equal "lines of symbolize" "$(wc -l <"$W/symbolized")" 3
while read -r wanted; do expect_text "$wanted"; done < <(tail -n +2 "$W/symbolized")
rm -r "$debug"
