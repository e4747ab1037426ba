#!/bin/busybox sh
# /init of the initial RAM disk: brings up the disks and hands over to init.sh,
# which comes with the shared files, so that a change to it rebuilds nothing.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
    [ -e "$module" ] && $b insmod "$module"
done
$b mount -t ext4 -o rw,noatime /dev/vda /new || { $b echo "no root file system"; $b poweroff -f; }
$b mount -t ext4 -o ro /dev/vdb /new/usr/lib/modules
$b mount -t tmpfs tmp /new/tmp
$b mkdir -p /new/tmp/share /new/tmp/out
$b tar -xf /dev/vdc -C /new/tmp/share
$b umount /proc
$b mount --move /dev /new/dev
exec $b switch_root /new /bin/bash /tmp/share/.lab/init.sh
