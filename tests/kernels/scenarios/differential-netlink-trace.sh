# As differential-points, with other rules and packets and by the kernel's
# netlink trace.
# timeout: 240
nfscope-guest differential --seed 3 --backend netlink-trace --falsify \
    -- --allow-ruleset-change --allow-leftover-table
