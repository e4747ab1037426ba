# Random rules and packets: for each packet the probe points name what the
# kernel's own trace messages name, with the kernel's tracing on and off.
# architectures: amd64 arm64
# timeout: 400
modprobe nf_tables
nfscope drops --backend points --duration 100ms >/dev/null 2>"$ERRORS" || skip "$(tail -n 1 "$ERRORS")"
refused=arp:reject,netdev-ingress:reject
if [[ $(uname -r) == 5.10.* ]]; then
    # The egress hook came with 5.16; inet ingress takes reject since 5.11.
    refused+=,inet-ingress:reject,netdev-egress
else
    # Where no packet can be queued, 5.10 takes the rule all the same.
    refused+=,arp:queue,inet-ingress:queue,netdev-ingress:queue
    refused+=,netdev-egress:queue,netdev-egress:reject
fi
nfscope-guest differential --timeout 390 --seed 1 --backend points --falsify --refused "$refused" -- --ring-size 8M
