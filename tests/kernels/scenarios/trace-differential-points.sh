# Random rules and packets: every decision about each packet, in its order, is
# what the kernel's own trace messages say, by probe points; and each rule of
# each chain that a packet passes either matches or is listed.
# timeout: 620
modprobe nf_tables
nfscope-guest differential --timeout 400 --seed 5 --trace --backend points \
    --packets 1500 -- --all --ring-size 64M
