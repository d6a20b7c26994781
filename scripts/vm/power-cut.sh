#!/bin/sh
# The first program of the machine that scripts/power-cut.ts cuts off: looks at what the last cut left, then pulls until the next.
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
for module in /modules/*.ko; do insmod "$module"; done
ip link set lo up
i=0
while [ ! -b /dev/vda ] && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
fail() { echo "cut: FAILED: $*"; }
mount -t ext4 /dev/vda /disk || fail "the disk cannot be mounted"
root=/disk/containerd
docker-registry serve /registry/config.yml > /run/registry.log 2>&1 &
containerd --root $root --state /run/containerd --address /run/c.sock > /run/daemon.log 2>&1 &
i=0
while [ ! -S /run/c.sock ] && [ $i -lt 1200 ]; do i=$((i + 1)); sleep 0.1; done
ctr() { busybox timeout 120 /bin/ctr -a /run/c.sock "$@"; }
ctr snapshots ls > /run/snapshots || { fail "the daemon does not answer"; cat /run/daemon.log; }
grep -E 'damaged|error' /run/daemon.log

# describe DIRECTORY: all files and directories as lines; the reference was made the same way, by the same busybox.
describe() {
  (cd "$1" && {
    find . ! -name . -type d -exec stat -c '%f %u:%g %Y %n' {} +
    find . ! -type d -exec stat -c '%f %u:%g %s %h %Y %n' {} +
    find . -type l -exec readlink {} \;
    find . -type f -exec sha256sum {} +
  } | sort)
}
committed=0
compared=0
for chain in $(cat /expected/chain); do grep -q "^$chain .*Committed" /run/snapshots && committed=$((committed + 1)); done
if [ $committed -gt 0 ]; then
  top=$(sed -n "${committed}p" /expected/chain)
  ctr snapshots rm look > /dev/null 2>&1
  ctr snapshots view look "$top" > /dev/null || fail "no view of $top"
  lower=$(ctr snapshots mounts /m look)
  ctr snapshots rm look
  case "$lower" in
    *lowerdir=*) lower=${lower#*lowerdir=} ;;
    *) lower=${lower#*-t bind } ;;
  esac
  lower=${lower%%[, ]*}
  layer=$committed
  for directory in $(echo "$lower" | tr : ' '); do
    describe "$directory" > /run/found
    cmp -s /run/found "/expected/$layer" || { fail "layer $layer in $directory"; diff /run/found "/expected/$layer" | head -20; }
    compared=$((compared + $(find "$directory" ! -type d | grep -c .)))
    layer=$((layer - 1))
  done
  [ $layer = 0 ] || fail "$committed layers are committed, but not one on another: $lower"
fi
images=$(ctr images ls -q | grep -c .)
left=$(ls $root/io.containerd.snapshotter.v1.overlayfs/snapshots | grep -c .)
echo "cut: found $committed layers committed, $images images, $compared files compared, $left snapshot directories, $(ls $root/io.containerd.content.v1.content/ingest | grep -c .) ingests"

image=127.0.0.1:5000/cut:latest
while :; do
  # The lease of a pull that was cut off keeps what it had brought: the next one is to begin from nothing.
  for lease in $(ctr leases ls -q); do ctr leases rm "$lease" > /dev/null 2>&1; done
  ctr images rm --sync $image > /dev/null 2>&1
  echo "cut: pulling"
  if ctr images pull --plain-http $image > /run/pull.log 2>&1; then
    echo "cut: pulled"
    sleep 2
    echo "cut: removing"
  else
    fail "the pull"; cat /run/pull.log /run/daemon.log; sleep 1
  fi
done
