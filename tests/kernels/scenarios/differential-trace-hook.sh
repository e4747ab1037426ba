# As differential-points, with other rules and packets and by the trace hook.
# architectures: amd64 arm64
# timeout: 400
nfscope-guest differential --timeout 390 --seed 2 --backend trace-hook --falsify -- --ring-size 8M
