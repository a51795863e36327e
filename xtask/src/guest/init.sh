#!/bin/sh
# The first process of a guest, on its disk: makes the machine usable, runs what it was made for, tells how that ended.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
exec </dev/null >/dev/console 2>&1

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /dev/pts && mount -t devpts -o ptmxmode=666,gid=5,mode=620 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm
ln -sf /proc/self/fd /dev/fd && ln -sf fd/0 /dev/stdin && ln -sf fd/1 /dev/stdout && ln -sf fd/2 /dev/stderr
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
echo guest >/proc/sys/kernel/hostname
ip link set lo up
chmod 1777 /tmp

# As systemd arranges it: a session of root's, and a subtree that belongs to an ordinary user.
groups=/sys/fs/cgroup
mkdir -p $groups/system.slice/guest.service $groups/user.slice/user-1000.slice/user@1000.service/session.scope
for at in $groups $groups/user.slice $groups/user.slice/user-1000.slice; do
    echo "+cpu +cpuset +io +memory +pids" >$at/cgroup.subtree_control
done
delegated=$groups/user.slice/user-1000.slice/user@1000.service
chown 1000:1000 $delegated $delegated/session.scope
for at in $delegated $delegated/session.scope; do
    while read -r file; do [ -e "$at/$file" ] && chown 1000:1000 "$at/$file"; done </sys/kernel/cgroup/delegate
done
echo $$ >$groups/system.slice/guest.service/cgroup.procs

echo "guest: Linux $(uname -r), up after $(cut -d' ' -f1 /proc/uptime) s"
sh /task/run
echo "guest-exit: $?"
# Nobody else asks for the machine; the runner ends it at once.
sleep 2
busybox reboot -f
