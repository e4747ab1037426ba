# Kernel addresses as symbolize tells them are those of /proc/kallsyms, and
# offsets in modules lie in the sections where the kernel put them.
# timeout: 120
rules_loaded() { modprobe nf_tables; }
rules_loaded

# one function of the kernel, one of a module, by name and by address
check() {
    local name=$1 module=$2 address shown
    address=$(awk -v name="$name" -v module="$module" \
        '$3 == name && $4 == module { print "0x" $1; exit }' /proc/kallsyms)
    [ -n "$address" ] || fail "kallsyms has no $name $module"
    shown=$(nfscope symbolize --json "$((address))" 2>/dev/null || true)
    expect_equal "a number without 0x" "$shown" ""
    for asked in "$name+0x5${module:+ $module}" "$(printf '0x%x' $((address + 5)))"; do
        shown=$(nfscope symbolize --json "$asked")
        case $shown in
        *"\"address\":\"$(printf '0x%x' $((address + 5)))\""*) ;;
        *) fail "$asked has another address: $shown" ;;
        esac
        case $shown in
        *"\"symbol\":{\"name\":\"$name\",\"offset\":5,"*) ;;
        *) fail "$asked is another symbol: $shown" ;;
        esac
    done
}
check ip_rcv ""
check nft_do_chain "[nf_tables]"

# the module's section is the one that holds it
start=$(cat /sys/module/nf_tables/sections/.text)
address=$(awk '$3 == "nft_do_chain" { print "0x" $1; exit }' /proc/kallsyms)
shown=$(nfscope symbolize --json nf_tables:nft_do_chain)
case $shown in
*'"section":".text","section_offset":'$((address - start))[,}]*) ;;
*) fail "nft_do_chain lies elsewhere in .text: $shown" ;;
esac

# a stack: the text stays, another kernel's sizes are refused, and so is a name that is none
printf 'Call Trace:\n ip_rcv+0x5/0x7fffff\n\tnothing+0x1/0x2\n\033[1mend\n' >"$W/stack"
nfscope symbolize <"$W/stack" >"$W/shown"
expect_equal "text" "$(grep -c -e '^Call Trace:$' -e '^ ip_rcv' -e '^	nothing' -e '^\\x1b\[1mend$' "$W/shown")" 4
expect_equal "refusals" "$(grep -c '^        -- ' "$W/shown")" 2
status=0
nfscope symbolize nothing_of_this_name >"$W/shown" 2>&1 || status=$?
expect_equal "status" "$status" 1
status=0
nfscope symbolize 'what is this' >"$W/shown" 2>&1 || status=$?
expect_equal "status" "$status" 2

# machine code: the probes' places and what they find there are those of the locator
page() { nfscope symbolize --disassemble "$@" >"$W/page" || fail "no page of $*"; }
page nft_do_chain+0x5
expect_equal "marked instructions" "$(grep -c '^=> ' "$W/page")" 1
expect_equal "what is no instruction" "$(grep -cE ' \.(byte|inst) ' "$W/page")" 0
awk '/# probe point (BREAK|CONTINUE|VERDICT):/ {
        sub(/^ *# probe point /, ""); name = $1; sub(/:/, "", name); sub(/^[^ ]* /, ""); held = $0; next }
    /^(=>|  ) / && name != "" { match($0, / \+0x[0-9a-f]+ /)
        print name, substr($0, RSTART + 1, RLENGTH - 2), held; name = "" }' "$W/page" |
    sort >"$W/shown"
nfscope doctor --points | awk '$1 ~ /^(BREAK|CONTINUE|VERDICT)$/ && / (before|split): / {
        sub(/^.*(before|split): /, substr($0, 1, index($0, " ")))
        split($0, halves, "  "); n = split(halves[1], words, /[ ,]+/)
        for (k = 2; k <= n; k++) print words[1], words[k], halves[2] }' | sort >"$W/wanted"
[ "$(wc -l <"$W/wanted")" -ge 3 ] || fail "doctor has no points: $(cat "$W/wanted")"
expect_equal "probe points" "$(cat "$W/shown")" "$(cat "$W/wanted")"

# jump labels and the ftrace site stand as the kernel has them now
site() { grep -oE "$1.*: .* now$" "$W/page" | sed 's/.*: //' | sort -u; }
expect_equal "the trace key" "$(site 'jump label nft_trace_enabled')" "does not jump now"
expect_equal "ftrace" "$(site 'ftrace site')" "off now"
namespace traced
rules traced <<'EOF'
table ip t { chain c { meta nftrace set 1; }; }
EOF
tracefs=/sys/kernel/tracing
[ -e "$tracefs/kprobe_events" ] || mount -t tracefs tracefs "$tracefs"
echo 'p:nfscope_test/entry nf_tables:nft_do_chain' >>"$tracefs/kprobe_events"
echo 1 >"$tracefs/events/nfscope_test/entry/enable"
page nf_tables:nft_do_chain
echo 0 >"$tracefs/events/nfscope_test/entry/enable"
echo '-:nfscope_test/entry' >>"$tracefs/kprobe_events"
expect_equal "the trace key" "$(site 'jump label nft_trace_enabled')" "jumps now"
expect_equal "ftrace" "$(site 'ftrace site')" "on now"

# the kernel's own code is read from memory
page nf_hook_slow
expect_equal "origin" "$(sed -n 2p "$W/page")" "from the running kernel's memory"
expect_equal "what is no instruction" "$(grep -cE ' \.(byte|inst) ' "$W/page")" 0
expect_equal "the call of a hook" "$(grep -cE ' call +sk_skb_reason_drop| call +kfree_skb' "$W/page" | head -1)" 1
