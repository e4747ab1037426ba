# Functions for scenarios (bash). A scenario is run with errexit: a command
# that fails ends it, unless it stands in a condition.
#
#   namespace NAME…             empty network namespaces (no IPv6 noise)
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
#   nfscope_run ARGUMENTS…      the same for `nfscope ARGUMENTS…`
#   nfscope_stop                SIGINT; its status must be 0
#   nfscope_wait                wait for its end without a signal
#   expect_drops COUNT CONDITION…   see `nfscope-guest expect --help`
#   expect_events TYPE COUNT CONDITION…
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
    echo "failed: $*"
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

namespace() {
    local name
    for name in "$@"; do
        ip netns add "$name"
        # Neighbour discovery and multicast reports would be drops of their own.
        within "$name" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
        ip -n "$name" link set lo up
    done
}

# veth NAME DEVICE NAME DEVICE: a cable between two namespaces
veth() {
    ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"
    ip -n "$1" link set "$2" up
    ip -n "$3" link set "$4" up
}

topology() {
    namespace client server
    veth client eth0 server eth0
    ip -n client addr add 10.0.0.1/24 dev eth0
    ip -n server addr add 10.0.0.2/24 dev eth0
    [ "${1-}" = 4 ] && return
    local name
    for name in client server; do
        within "$name" sysctl -qw net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.addr_gen_mode=1 \
            net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.disable_ipv6=0 \
            net.ipv6.conf.lo.disable_ipv6=0
    done
    ip -n client addr add fd00::1/64 dev eth0 nodad
    ip -n server addr add fd00::2/64 dev eth0 nodad
}

router_topology() {
    namespace client router server
    veth client eth0 router left
    veth server eth0 router right
    within router sysctl -qw net.ipv4.ip_forward=1
    ip -n client addr add 10.0.0.1/24 dev eth0
    ip -n router addr add 10.0.0.254/24 dev left
    ip -n router addr add 10.0.1.254/24 dev right
    ip -n server addr add 10.0.1.2/24 dev eth0
    ip -n client route add default via 10.0.0.254
    ip -n server route add default via 10.0.1.254
}

bridge_topology() {
    namespace client switch server
    ip -n switch link add br0 type bridge
    ip -n switch link set br0 up
    veth client eth0 switch left
    veth server eth0 switch right
    ip -n switch link set left master br0
    ip -n switch link set right master br0
    ip -n client addr add 10.0.0.1/24 dev eth0
    ip -n server addr add 10.0.0.2/24 dev eth0
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
    local found
    found=$(within "$1" nft -a list ruleset | grep -F -- "$2" | sed -n 's/.* # handle \([0-9]*\)$/\1/p')
    [[ $found =~ ^[0-9]+$ ]] || {
        echo "no single rule '$2' in $1: '$found'" >&2
        return 1
    }
    echo "$found"
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
    # With job control a background job does not ignore SIGINT.
    set -m
    # shellcheck disable=SC2086
    nfscope "$@" ${NFSCOPE_ARGUMENTS-} >"$EVENTS" 2>"$ERRORS" </dev/null &
    NFSCOPE=$!
    set +m
    nfscope-guest await "$ERRORS" "nfscope: watching" --pid "$NFSCOPE" || {
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

expect_drops() {
    expect_events drop "$@"
}

expect_events() {
    local kind=$1
    shift
    nfscope-guest expect --type "$kind" "$EVENTS" "$@" || {
        sed 's/^/nfscope said: /' "$ERRORS"
        fail "line ${BASH_LINENO[0]}/${BASH_LINENO[1]-}: not the expected ${kind}s"
    }
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
