# As differential-points, with other rules and packets, by the backend that
# nfscope chooses, and with senders on two processors.
# processors: 2
# timeout: 300
nfscope-guest differential --seed 4 --falsify --timeout 290
