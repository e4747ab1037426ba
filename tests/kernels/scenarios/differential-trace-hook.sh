# As differential-points, with other rules and packets and by the trace hook.
# timeout: 240
nfscope-guest differential --seed 2 --backend trace-hook --falsify
