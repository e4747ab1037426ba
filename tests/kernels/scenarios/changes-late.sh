# nf_tables is loaded while nfscope watches who changes firewalls: nfscope does not
# load it; the process that did is told, and from then on what changes.
# timeout: 120
# The scenarios before it have left nf_tables.
unload_nf_tables
topology 4
nfscope_run changes --json
! grep -qw ^nf_tables /proc/modules || fail "nfscope loaded nf_tables"
expect_text "nf_tables is not loaded"
echo 'add table inet first' >"$W/first"
nsenter --net=/run/netns/server nft -f "$W/first" &
first=$!
wait "$first"
# from now on the namespace is followed, sooner or later
for try in {1..100}; do
    rules server <<<"add table inet t$try"
    ! grep -qF "add table inet t" "$EVENTS" || break
    sleep 0.2
done
echo 'add table inet last' >"$W/last"
nsenter --net=/run/netns/server nft -f "$W/last" &
last=$!
wait "$last"
nfscope_stop
expect_events lost 0
expect_events change 1 action=nft process.pid="$first" process.command=nft "arguments.2=$W/first"
expect_events change 1 action=nft process.pid="$last" changes.0.change=added \
    "changes.0.line=add table inet last" '!text_unknown'
