# As differential-points, with other rules and packets, by the backend that
# nfscope chooses, and with senders on two processors.
# processors: 2
# timeout: 400
nfscope-guest differential --timeout 390 --seed 4 --falsify -- --ring-size 8M
