# As trace-differential-points, with other rules and packets and by the kernel's
# netlink trace, which follows one namespace; its mark comes after ingress.
# timeout: 620
# kernels: 5.10 6.12 7.2
modprobe nf_tables
nfscope-guest differential --timeout 400 --seed 7 --trace --backend netlink-trace --each-namespace \
    --without netdev-ingress,netdev-egress,inet-ingress --packets 1500 \
    -- --allow-ruleset-change --allow-leftover-table
