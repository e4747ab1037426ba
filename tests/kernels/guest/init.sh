#!/bin/bash
# Process 1 of the guest: runs one command, sends its output and status to the
# host, and ends the machine.
export PATH=/tmp/share:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /dev/shm /dev/pts
ln -s /proc/self/fd /dev/fd
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing
mount -t cgroup2 cgroup /sys/fs/cgroup
hostname lab
ip link set lo up
ulimit -l unlimited
cd /tmp/share || exit

# The port that the host reads. It can be opened once, so it stays open.
ports=(/sys/class/virtio-ports/*)
exec 3>"/dev/${ports[0]##*/}"
setsid bash /tmp/share/.lab/command </dev/null >&3 2>&1
status=$?
[ -b /dev/vdd ] && tar -cf /dev/vdd -C /tmp/out .
printf '\n@LAB exit %s\n' "$status" >&3
sync
echo 1 >/proc/sys/kernel/sysrq
sleep 0.05
# With -no-reboot, a reboot ends QEMU.
echo b >/proc/sysrq-trigger
sleep 10
