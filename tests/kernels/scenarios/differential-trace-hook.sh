# As differential-points, with other rules and packets and by the trace hook.
# timeout: 400
nfscope-guest differential --timeout 390 --seed 2 --backend trace-hook --falsify
