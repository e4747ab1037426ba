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
