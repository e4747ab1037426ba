# Random rules and packets: for each packet nft_do_chain's stack frame names what
# the kernel's own trace messages name, with the kernel's tracing on and off.
# architectures: amd64 arm64
# timeout: 400
modprobe nf_tables
nfscope drops --backend frame --duration 100ms >/dev/null 2>"$ERRORS" || skip "$(tail -n 1 "$ERRORS")"
refused=arp:reject,netdev-ingress:reject
refused+=,arp:queue,inet-ingress:queue,netdev-ingress:queue
refused+=,netdev-egress:queue,netdev-egress:reject
nfscope-guest differential --timeout 390 --seed 7 --backend frame --falsify --refused "$refused" -- --ring-size 8M
