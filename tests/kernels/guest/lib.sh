# Functions for scenarios (bash). A scenario is run with errexit: a command
# that fails ends it, unless it stands in a condition.
#
#   namespace NAME…             empty network namespaces, without IPv6
#   topology                    client 10.0.0.1, fd00::1 -- server 10.0.0.2, fd00::2
#                               (device eth0 in each; `topology 4` without IPv6)
#   router_topology             client 10.0.0.1 -- router (left, right) -- server 10.0.1.2
#   bridge_topology             client 10.0.0.1 -- switch (br0: left, right) -- server 10.0.0.2
#   within NAME COMMAND…        run in a namespace
#   rules NAME <<EOF            load an nft script; fails if nft refuses it
#   can_rules NAME TEXT         whether nft and the kernel take a script (undone again)
#   handle NAME TEXT            handle of the one line of `nft -a list ruleset` with TEXT
#   netns_inode NAME            inode number of a namespace
#   listen NAME tcp|udp ADDR:PORT
#   send NAME ARGUMENTS…        `nfscope-guest send` in a namespace
#   nfscope_start ARGUMENTS…    `nfscope drops --json ARGUMENTS…`, until it watches
#                               (for $NFSCOPE_PATIENCE seconds, 30 if not set)
#   nfscope_run ARGUMENTS…      the same for `nfscope ARGUMENTS…`
#   nfscope_stop                SIGINT; its status must be 0
#   nfscope_wait                wait for its end without a signal
#   await_events COUNT          until so many events are written
#   expect_drops COUNT CONDITION…   see `nfscope-guest expect --help`
#   expect_events TYPE COUNT CONDITION…
#   trees ARGUMENTS…            `nfscope-guest trees` of the last nfscope's output
#   monitor_trace NAME          `nft monitor trace` in a namespace, from now on
#   expect_decisions NAME       the last nfscope's decisions in a namespace are those
#                               that it has told since the last time
#   backend_rules               rules that drop and reject for `expect_backend`: $wanted is one's handle
#   expect_backend NAME         the last nfscope is sent packets, ends, and names those rules
#   unload_nf_tables            as on a machine where nothing has used it yet
#   expect_text PART            a part of a line that the last nfscope printed
#   expect_equal WHAT FOUND EXPECTED
#   has_reasons                 whether the kernel gives drop reasons (5.17)
#   skip REASON                 this kernel cannot do it (see expected-skips.toml)
#   fail REASON
#
# $W is a folder of the scenario's own, $EVENTS and $ERRORS are the output of
# the last nfscope that was started, $NFSCOPE is its process id.
set -euo pipefail
shopt -s inherit_errexit

EVENTS=$W/events.json
ERRORS=$W/errors
NFSCOPE=

fail() {
    # The line of the scenario, not of a function here.
    local depth=0
    while [ "${BASH_SOURCE[depth]}" = "${BASH_SOURCE[0]}" ]; do depth=$((depth + 1)); done
    echo "failed in line ${BASH_LINENO[depth - 1]}: $*"
    exit 1
}

skip() {
    echo "$*" >"$W/skip"
    exit 77
}

expect_equal() {
    [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"
}

within() {
    local name=$1
    shift
    nsenter --net="/run/netns/$name" "$@"
}

# links NAME <<EOF: arguments of `ip`, a line each (starting a program is slow)
links() {
    ip -n "$1" -batch -
}

namespace() {
    local name
    printf 'netns add %s\n' "$@" | ip -batch -
    for name in "$@"; do
        ip -n "$name" link set lo up
    done
}

# veth NAME DEVICE NAME DEVICE: a cable between two namespaces
veth() {
    ip -n "$1" link add "$2" up type veth peer name "$4" netns "$3"
    ip -n "$3" link set "$4" up
}

topology() {
    printf 'netns add %s\n' client server | ip -batch -
    links client <<'EOF'
link set lo up
link add eth0 up type veth peer name eth0 netns server
addr add 10.0.0.1/24 dev eth0
EOF
    links server <<'EOF'
link set lo up
link set eth0 up
addr add 10.0.0.2/24 dev eth0
EOF
    [ "${1-}" = 4 ] && return
    # run.sh switches IPv6 off where nobody asks for it: neighbour discovery
    # and multicast reports are drops of their own.
    local name
    for name in client server; do
        within "$name" sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.lo.disable_ipv6=0
    done
    ip -n client addr add fd00::1/64 dev eth0 nodad
    ip -n server addr add fd00::2/64 dev eth0 nodad
}

router_topology() {
    namespace client router server
    links router <<'EOF'
link add left up type veth peer name eth0 netns client
link add right up type veth peer name eth0 netns server
addr add 10.0.0.254/24 dev left
addr add 10.0.1.254/24 dev right
EOF
    links client <<'EOF'
link set eth0 up
addr add 10.0.0.1/24 dev eth0
route add default via 10.0.0.254
EOF
    links server <<'EOF'
link set eth0 up
addr add 10.0.1.2/24 dev eth0
route add default via 10.0.1.254
EOF
    within router sysctl -qw net.ipv4.ip_forward=1
}

bridge_topology() {
    namespace client switch server
    links switch <<'EOF'
link add br0 up type bridge
link add left up master br0 type veth peer name eth0 netns client
link add right up master br0 type veth peer name eth0 netns server
EOF
    links client <<'EOF'
link set eth0 up
addr add 10.0.0.1/24 dev eth0
EOF
    links server <<'EOF'
link set eth0 up
addr add 10.0.0.2/24 dev eth0
EOF
}

netns_inode() {
    stat -L -c %i "/run/netns/$1"
}

rules() {
    within "$1" nft -f -
}

can_rules() {
    within "$1" nft --check --file - <<<"$2" 2>/dev/null || return 1
    # Some refusals only come when it is really done.
    within "$1" nft -f - <<<"$2" 2>/dev/null || return 1
    within "$1" nft flush ruleset
}

handle() {
    local line found=()
    while read -r line; do
        [[ $line == *"$2"*" # handle "* ]] && found+=("${line##*# handle }")
    done < <(within "$1" nft -a list ruleset)
    [ "${#found[@]}" = 1 ] || {
        echo "no single rule '$2' in $1: handles ${found[*]}" >&2
        return 1
    }
    echo "${found[0]}"
}

send() {
    local name=$1
    shift
    within "$name" nfscope-guest send "$@"
}

listen() {
    local log=$W/listen.$1.$2.${3##*:}
    within "$1" nfscope-guest listen "$2" "$3" >"$log" 2>&1 &
    nfscope-guest await "$log" listening --pid $!
}

nfscope_run() {
    # The last one's "watching" must be gone before anybody waits for it.
    : >"$EVENTS" >"$ERRORS"
    # With job control a background job does not ignore SIGINT.
    set -m
    # shellcheck disable=SC2086
    nfscope "$@" ${NFSCOPE_ARGUMENTS-} >>"$EVENTS" 2>"$ERRORS" </dev/null &
    NFSCOPE=$!
    set +m
    nfscope-guest await "$ERRORS" "nfscope: watching" --pid "$NFSCOPE" \
        --limit "${NFSCOPE_PATIENCE-30}" || {
        cat "$ERRORS"
        fail "nfscope did not start to watch"
    }
}

nfscope_start() {
    nfscope_run drops --json "$@"
}

# Packets may still be on their way when send has returned.
settle() {
    sleep 0.2
}

nfscope_stop() {
    settle
    kill -INT "$NFSCOPE"
    nfscope_wait
}

nfscope_wait() {
    local status=0
    wait "$NFSCOPE" || status=$?
    [ "$status" = 0 ] || {
        cat "$ERRORS"
        fail "nfscope ended with status $status"
    }
}

await_events() {
    nfscope-guest await "$EVENTS" "{" --count "$1" --pid "$NFSCOPE"
}

expect_drops() {
    expect_events drop "$@"
}

expect_events() {
    local kind=$1
    shift
    nfscope-guest expect --type "$kind" "$EVENTS" "$@" || {
        sed 's/^/nfscope said: /' "$ERRORS"
        fail "not the expected ${kind}s"
    }
}

trees() {
    nfscope-guest trees "$EVENTS" "$@" || {
        sed 's/^/nfscope said: /' "$ERRORS"
        fail "wrong trees"
    }
}

monitor_trace() {
    # not by a function, whose subshell would be the process
    nsenter --net="/run/netns/$1" nft monitor trace >>"$W/traced.$1" &
}

expect_decisions() {
    local traced=$W/traced.$1
    # At the end of a base chain the kernel says "verdict continue", too.
    sed -n -e 's/^trace id [0-9a-f]* //' -e '/ packet: /d' -e '/^[a-z0-9]* [^ ]* [^ ]* verdict /d' \
        -e 's/^\([a-z0-9]* [^ ]* [^ ]*\) rule .*(verdict \(.*\))$/\1 verdict \2/p' \
        -e 's/^\([a-z0-9]* [^ ]* [^ ]* policy .*[^ ]\) *$/\1/p' "$traced" >"$W/kernel"
    nfscope-guest trees "$EVENTS" --decisions --netns "$1" >"$W/decisions"
    cp "$traced" "$W/traced"
    : >"$traced"
    [ -s "$W/kernel" ] || fail "the kernel traced nothing: $(head "$W/traced")"
    cmp -s "$W/kernel" "$W/decisions" || {
        diff "$W/kernel" "$W/decisions" | head -n 20
        fail "not the kernel's decisions"
    }
}

unload_nf_tables() {
    local users module try
    # rules of a namespace that was deleted go a moment later, and some of the
    # modules hold others
    for try in {1..100}; do
        users=$(awk '$1 == "nf_tables" { print $4 }' /proc/modules)
        [ -n "$users" ] || return 0
        for module in ${users//,/ } nf_tables; do
            [ "$module" = - ] || modprobe -r "$module" 2>"$W/unload" || true
        done
        sleep 0.1
    done
    fail "nf_tables stays: $(cat "$W/unload")"
}

backend_rules() {
    topology 4
    rules server <<'EOF'
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        tcp dport 10000 drop
        udp dport 10001 accept
        udp dport 10003 reject
    }
}
EOF
    wanted=$(handle server "tcp dport 10000 drop")
}

expect_backend() {
    send client segment 10.0.0.2:10000 --flags S --count 2 --port 4000
    send client udp 10.0.0.2:10001 --count 3
    send client udp 10.0.0.2:10002 --count 4
    send client udp 10.0.0.2:10003 --count 5
    nfscope_stop
    expect_drops 7 cause.kind=nft_rule backend="$1"
    expect_drops 2 cause.kind=nft_rule cause.handle="$wanted" \
        "cause.rule=tcp dport 10000 drop" packet.transport.destination=10000
    expect_drops 5 cause.kind=nft_rule cause.verdict=reject packet.transport.destination=10003
    expect_drops 4 backend="$1" cause.kind=nft_policy cause.chain=input \
        packet.transport.destination=10002
}

expect_text() {
    grep -qF -- "$1" "$EVENTS" "$ERRORS" || {
        cat "$EVENTS" "$ERRORS"
        fail "nfscope did not print '$1'"
    }
}

has_reasons() {
    grep -q 'field:.* reason;' /sys/kernel/tracing/events/skb/kfree_skb/format
}
