#!/bin/busybox sh
# The guest's first process. Mounts the host's file system, read-only below a layer that forgets, and runs /run/lab/command in it.
# /run/lab is a folder of the host, for results; "status" there is the last thing written. Arguments come on the kernel's command line.
b=/bin/busybox
$b mkdir -p /proc /sys /dev /host /layer /new
$b mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys

port=/dev/port
leave() { # QEMU ends when its port for that is written to; with 16, with status 33
    $b sync
    $b printf '\020' | $b dd of=$port bs=1 seek=1281 2>/dev/null
    $b poweroff -f
}
fail() { echo "lab: $*"; leave; }

for module in /modules/*; do $b insmod "$module" || fail "insmod $module"; done
options=trans=virtio,version=9p2000.L,msize=512000,access=any
$b mount -t 9p -o ro,$options,cache=loose root /host || fail "the host's file system"
$b mount -t tmpfs -o size=1g layer /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /new || fail overlay
for name in proc sys dev; do $b mount --move /$name /new/$name; done
cd /new || fail "/new"
port=dev/port

$b mkdir -p dev/pts dev/shm
$b mount -t devpts devpts dev/pts
$b mount -t tmpfs shm dev/shm
$b mount -t tmpfs run run
$b mkdir -p run/lab
$b mount -t 9p -o $options share run/lab || fail "the folder for results"
$b mount -t debugfs debug sys/kernel/debug
$b mount -t tracefs trace sys/kernel/tracing
$b mount -t bpf bpf sys/fs/bpf
$b mount -t cgroup2 cgroup sys/fs/cgroup
$b mount -t securityfs security sys/kernel/security
$b ln -sf /proc/self/fd dev/fd
$b ln -sf /proc/self/fd/0 dev/stdin
$b ln -sf /proc/self/fd/1 dev/stdout
$b ln -sf /proc/self/fd/2 dev/stderr

modules=$($b sed 's/.*lab.modules=\([^ ]*\).*/\1/' proc/cmdline)
release=$($b uname -r)
$b mkdir -p "lib/modules/$release"
$b mount --bind "/new$modules" "lib/modules/$release"
$b ip addr add 127.0.0.1/8 dev lo
$b ip link set lo up
echo 0 >proc/sys/kernel/kptr_restrict
echo -1 >proc/sys/kernel/perf_event_paranoid
ulimit -l unlimited
ulimit -n 65536

$b env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LC_ALL=C.UTF-8 \
    "$b" chroot . /bin/bash /run/lab/command
echo $? >run/lab/status
leave
