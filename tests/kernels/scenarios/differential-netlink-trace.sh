# As differential-points, with other rules and packets and by the kernel's
# netlink trace. It follows one namespace, and its mark comes after ingress.
# timeout: 400
nfscope-guest differential --timeout 390 --seed 3 --backend netlink-trace --each-namespace --falsify \
    --without netdev-ingress,netdev-egress,inet-ingress \
    -- --allow-ruleset-change --allow-leftover-table --ring-size 8M
