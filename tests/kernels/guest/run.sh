#!/bin/bash
# Runs the scenarios named in the file `scenarios.list` (a line each: name and
# seconds) one after the other, and reports to the host in lines that start
# with @LAB. Between a scenario's begin and end stands what it printed.
shopt -s nullglob
cd /tmp/share || exit
group=/sys/fs/cgroup/scenario
mkdir "$group"
# New namespaces start like this one: without IPv6, which would send packets
# by itself.
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
    net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.addr_gen_mode=1 \
    net.ipv6.conf.default.router_solicitations=0 net.core.devconf_inherit_init_net=1

programs() {
    bpftool prog show | sed -n 's/^\([0-9]*\): .*/\1/p' | sort
}

# What a scenario must not leave; nfscope itself least of all.
remains() {
    local names
    names=$(ip netns list | cut -d' ' -f1 | tr '\n' ' ')
    [ -z "$names" ] || echo "network namespaces: $names"
    [ -z "$(nft list ruleset)" ] || echo "rules outside of its namespaces"
    [ -z "$(cat /sys/kernel/tracing/kprobe_events)" ] || echo "kprobe_events"
    [ "$(programs)" = "$1" ] || echo "BPF programs"
}

clean() {
    local name pid
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        # a file of the kernel has no size
        [ -n "$(cat "$group/cgroup.procs")" ] || break
        while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$group/cgroup.procs"
        sleep 0.02
    done
    for name in /run/netns/*; do ip netns del "${name##*/}"; done
    nft flush ruleset
}

while read -r name limit; do
    echo "@LAB begin $name"
    export W=/tmp/work/$name
    mkdir -p "$W"
    dmesg --clear
    start=${EPOCHREALTIME/./}
    loaded=$(programs)
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        cd "$W" || exit
        exec timeout -k 5 "$limit" bash /tmp/share/scenario.sh "/tmp/share/scenarios/$name.sh"
    ) >"$W/log" 2>&1 </dev/null
    status=$?
    clean >>"$W/log" 2>&1
    left=
    for _ in 1 2 3 4 5; do
        left=$(remains "$loaded" 2>&1)
        [ -n "$left" ] || break
        # The kernel frees programs and namespaces a little later.
        sleep 0.3
    done
    if [ -n "$left" ]; then
        echo "left behind: $left" >>"$W/log"
        [ "$status" = 0 ] && status=1
    fi
    if [ "$status" = 77 ] && [ -s "$W/skip" ]; then
        echo "@LAB skip $(head -n 1 "$W/skip")"
    elif [ "$status" != 0 ]; then
        [ "$status" = 124 ] && echo "time-out after $limit s" >>"$W/log"
        tail -n 60 "$W/log"
        dmesg --level=emerg,alert,crit,err,warn | tail -n 5
    fi
    echo "@LAB end $name $status $(((${EPOCHREALTIME/./} - start) / 1000))"
    rm -rf "$W"
done <scenarios.list
