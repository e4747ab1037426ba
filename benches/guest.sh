#!/bin/bash
# Runs in the guest: measures, and prints lines `@ KEY VALUE…`; table.awk says
# what each KEY is. A value that cannot be had is `-` with the reason behind it.
# Arguments: the parts to measure, by the names of the functions below.
set -u
PORT=20000
COUNT=5000
FEW=1000 # packets where each takes many times as long

say() {
    echo "@ $*"
}

# rules N VERDICT: an input chain of N rules that do not match and one that does
rules() {
    local i
    echo 'flush ruleset'
    echo 'table ip bench {'
    echo '  chain input {'
    echo '    type filter hook input priority 0; policy accept;'
    for ((i = 0; i < $1; i++)); do echo "    udp dport $((i % 10000 + 1)) drop"; done
    echo "    udp dport $PORT $2"
    echo '  }'
    echo '}'
}

# per_packet KEY [COUNT]: KEY PATH ALL RECEIVED (see meter.c), the least of two runs
per_packet() {
    local path all received best_path='' best_all=''
    for _ in 1 2; do
        read -r path all received <<<"$(meter loop $PORT "${2-$COUNT}")"
        [ -n "$received" ] || exit 1
        [ -n "$best_path" ] && [ "$best_path" -le "$path" ] || best_path=$path
        [ -n "$best_all" ] && [ "$best_all" -le "$all" ] || best_all=$all
    done
    say "$1" "$best_path" "$best_all" "$received"
}

# begin STREAM TEXT COMMAND…: a program until it says TEXT; its READY time (ns)
# and PROGRAM (pid)
begin() {
    exec {from}< <(exec meter start "$@" 2>/tmp/begin.err)
    METER=$!
    read -r READY PROGRAM <&"$from" && return
    exec {from}<&-
    return 1
}

end() {
    kill -TERM "$METER"
    wait "$METER"
    exec {from}<&-
}

# nfscope_begin COMMAND ARGUMENTS…
nfscope_begin() {
    local command=$1
    shift
    begin err 'nfscope: watching' nfscope "$command" --json "$@"
}

why() {
    tail -n 1 "$1" | cut -c 1-100
}

# with_nfscope KEY COUNT COMMAND ARGUMENTS…
with_nfscope() {
    local key=$1 count=$2
    shift 2
    nfscope_begin "$@" || {
        say "$key" - "$(why /tmp/begin.err)"
        return
    }
    # Hook functions are looked for behind the start.
    sleep 4
    per_packet "$key" "$count"
    end
}

# with_empty KEY OBJECT: a program that does nothing
with_empty() {
    local pins=/sys/fs/bpf/empty
    bpftool prog loadall "$2" $pins autoattach >/tmp/empty.err 2>&1 || {
        say "$1" - "$(why /tmp/empty.err)"
        return
    }
    per_packet "$1"
    rm -r $pins
    sleep 0.5
}

# with_other KEY COUNT STREAM TEXT COMMAND…: somebody else's program
with_other() {
    local key=$1 count=$2
    shift 2
    begin "$@" || {
        say "$key" - "$(why /tmp/begin.err)"
        return
    }
    sleep 2
    per_packet "$key" "$count"
    say "$key.start" "$READY" "$(resident "$PROGRAM")"
    end
}

# A value of /proc/PID/status in kB.
status() {
    sed -n "s/^$2:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$1/status"
}
resident() {
    status "$1" VmRSS
}

accepted() {
    nft flush ruleset
    per_packet bare
    rules 50 accept | nft -f -
    per_packet accept
    with_empty accept.fentry fentry.bpf.o
    with_empty accept.kprobe kprobe.bpf.o
    local backend
    for backend in frame points trace-hook tracepoint; do
        with_nfscope "accept.$backend" $COUNT drops --backend $backend
    done
}

dropped() {
    rules 50 drop | nft -f -
    per_packet drop
    local backend
    for backend in frame points trace-hook tracepoint; do
        with_nfscope "drop.$backend.reject" $COUNT drops --backend $backend udp port 1
        with_nfscope "drop.$backend.take" $COUNT drops --backend $backend udp port $PORT
    done
}

# Each packet passes 50 rules that do not match; then, for what a further
# matching rule costs, 50 that count it.
traced() {
    local backend
    rules 50 accept | nft -f -
    per_packet trace
    for backend in points trace-hook; do
        with_nfscope "trace.$backend.reject" $COUNT trace --backend $backend udp port 1
        with_nfscope "trace.$backend.take" $FEW trace --backend $backend udp port $PORT
    done
    with_nfscope trace.all $FEW trace --all udp port $PORT
    with_nfscope trace.why $FEW trace --why udp port $PORT
    rules 50 accept | sed "s/udp dport [0-9]* drop/udp dport $PORT counter/" | nft -f -
    per_packet matching
    for backend in points trace-hook; do
        with_nfscope "matching.$backend" $FEW trace --backend $backend udp port $PORT
    done
}

# A packet on loopback passes two chains of iptables-legacy's table filter: in each
# 50 rules that do not match and one that accepts.
legacy() {
    local chain i
    nft flush ruleset
    {
        echo '*filter'
        for chain in INPUT OUTPUT; do
            for ((i = 1; i <= 50; i++)); do echo "-A $chain -p udp --dport $i -j DROP"; done
            echo "-A $chain -p udp --dport $PORT -j ACCEPT"
        done
        echo COMMIT
    } | iptables-legacy-restore || exit 1
    per_packet legacy
    with_empty legacy.fentry table.bpf.o
    with_nfscope legacy.drops $COUNT drops
    with_nfscope legacy.trace.reject $COUNT trace udp port 1
    with_nfscope legacy.trace.take $FEW trace udp port $PORT
    with_nfscope legacy.trace.why $FEW trace --why udp port $PORT
}

# The classic article's script: calls of nft_do_chain counted, and a line
# printed wherever a rule did not match, matched, or gave a verdict.
script() {
    local name places place
    echo 'kprobe:nft_do_chain { @calls = count(); }'
    nfscope doctor --points |
        sed -n 's/^\(BREAK\|CONTINUE\|VERDICT\) .*\(before\|split\): \(+[^ ]*\)\(, \(+[^ ]*\)\)\?.*/\1 \3 \5/p' |
        while read -r name places; do
            for place in $places; do
                echo "kprobe:nft_do_chain${place%,} { printf(\"$name %lx\\n\", reg(\"bx\")); }"
            done
        done
    # probes are attached in the order of the script
    echo 'interval:s:1 { printf("ready\n"); }'
}

others() {
    rules 50 accept | nft -f -
    per_packet others
    nft insert rule ip bench input meta nftrace set 1
    nft monitor trace >/dev/null &
    local monitor=$!
    sleep 1
    per_packet others.monitor $FEW
    kill $monitor
    wait $monitor
    rules 50 accept | nft -f -
    with_other others.bpftrace-count $COUNT out ready bpftrace -e \
        'kprobe:nft_do_chain { @calls = count(); } interval:s:1 { printf("ready\n"); }'
    script >/tmp/script.bt
    with_other others.bpftrace $FEW out ready bpftrace /tmp/script.bt
    with_other others.pwru-reject $FEW err Listening pwru udp port 1
    with_other others.pwru-take $FEW err Listening pwru udp port $PORT
}

start() {
    local rules run best child children
    for rules in 100 20000; do
        rules $((rules - 1)) accept | nft -f -
        sleep 2
        best=
        for run in 1 2 3; do
            nfscope_begin drops || {
                say "start.$rules" - "$(why /tmp/begin.err)"
                return
            }
            [ -n "$best" ] && [ "$best" -le "$READY" ] || best=$READY
            sleep 2
            if [ $rules$run = 1003 ]; then
                children=0
                for child in $(pgrep -P "$PROGRAM"); do
                    children=$((children + $(resident "$child")))
                done
                say memory "$(resident "$PROGRAM")" $children "$(status "$PROGRAM" VmHWM)"
            fi
            end
        done
        say "start.$rules" "$best"
    done
    nfscope drops --duration 1s 2>&1 >/dev/null | sed -n 's/^nfscope: watching drops, \([^;]*\).*/@ backend \1/p'
}

ulimit -l unlimited
sysctl -qw net.ipv6.conf.all.disable_ipv6=1
# The kernel is still busy with itself just after the boot.
sleep 3
for part in "$@"; do $part; done
