#!/bin/sh
# The runtime's smoke list on a host with cgroup v2 alone; scripts/vm.ts runs it as the first program of a virtual machine.
export PATH=/bin HOME=/
# Nothing can pivot away from an initramfs: everything moves to a tmpfs first.
if [ ! -e /moved ]; then
  mkdir /new
  mount -t tmpfs root /new
  for entry in bin lib lib64 usr bundle init etc; do [ -e /$entry ] && cp -a /$entry /new/; done
  mkdir /new/dev /new/proc /new/sys /new/run /new/tmp /new/moved
  exec switch_root /new /init
fi
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/shm /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up 2>/dev/null
passed=0
failed=0
# check NAME EXPECTED GOT
check() {
  if [ "$2" = "$3" ]; then passed=$((passed + 1)); echo "ok   $1"
  else failed=$((failed + 1)); echo "FAIL $1"; echo "  expected: $2"; echo "  got:      $3"; fi
}
cd /bundle || exit 1
none='{}'
# bundle ARGV RESOURCES: both JSON
bundle() {
  { cat /bundle/head; echo "$1"; cat /bundle/middle; echo "${2:-$none}"; cat /bundle/tail; } > config.json
}
g=/sys/fs/cgroup/smoke/c1

echo "kernel $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
bundle '["sh", "-c", "echo hello; exit 7"]'
out=$(runc run c1 2>&1); code=$?
check "run: output and exit code" "hello 7" "$out $code"
check "nothing is left of it" "" "$(ls -d $g 2>/dev/null)"

limits='{"memory": {"limit": 67108864, "swap": 67108864, "reservation": 33554432}, "pids": {"limit": 20},
  "cpu": {"shares": 2048, "quota": 50000, "period": 100000, "burst": 10000, "cpus": "0", "idle": 0},
  "unified": {"memory.high": "50331648"},
  "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}'
limits=$(echo "$limits" | tr -d '\n')
bundle '["sleep", "1000"]' "$limits"
runc create c1 < /dev/null > /run/log 2>&1; check "create with limits" "" "$(cat /run/log)"
check "state" "created" "$(runc state c1 | grep '"status"' | cut -d'"' -f4)"
check "memory.max" 67108864 "$(cat $g/memory.max)"
check "memory.low" 33554432 "$(cat $g/memory.low)"
check "memory.high by unified" 50331648 "$(cat $g/memory.high)"
check "pids.max" 20 "$(cat $g/pids.max)"
check "cpu.max" "50000 100000" "$(cat $g/cpu.max)"
check "cpu.max.burst" 10000 "$(cat $g/cpu.max.burst)"
check "cpu.weight" 79 "$(cat $g/cpu.weight)"
check "cpuset.cpus" 0 "$(cat $g/cpuset.cpus)"
runc start c1; check "start" 0 $?
check "list" "c1" "$(runc list -q)"
check "its process is in its cgroup" "$(cat $g/cgroup.procs)" "$(runc state c1 | grep '"pid"' | tr -dc 0-9)"
check "exec" "in" "$(runc exec c1 echo in 2>&1)"
check "exec joins the cgroup" "0::/smoke/c1" "$(runc exec c1 cat /proc/self/cgroup 2>&1)"
check "pids by ps" 1 "$(runc ps -f json c1 | tr , '\n' | grep -c '[0-9]')"

runc exec c1 sh -c 'busybox mknod /dev/mem c 1 1 && cat /dev/mem' > /run/log 2>&1
check "eBPF: a device that no rule allows" 1 "$(grep -c "can't open '/dev/mem': Operation not permitted" /run/log)"
check "eBPF: /dev/null works" "x" "$(runc exec c1 sh -c 'echo y > /dev/null && echo x' 2>&1)"

runc pause c1; check "pause: frozen" 1 "$(grep -c 'frozen 1' $g/cgroup.events)"
check "state paused" "paused" "$(runc state c1 | grep '"status"' | cut -d'"' -f4)"
runc exec c1 true > /dev/null 2>&1; check "exec in a paused container is refused" 255 $?
runc resume c1; check "resume: thawed" 1 "$(grep -c 'frozen 0' $g/cgroup.events)"

runc update --memory 33554432 --memory-swap 33554432 --pids-limit 50 --cpu-quota 20000 c1; check "update" 0 $?
check "update: memory.max" 33554432 "$(cat $g/memory.max)"
check "update: pids.max" 50 "$(cat $g/pids.max)"
check "update: cpu.max" "20000 100000" "$(cat $g/cpu.max)"
echo '{"cpu": {"shares": 512}, "memory": {"limit": 41943040, "swap": 41943040}}' | runc update -r - c1
check "update -r -: memory.max" 41943040 "$(cat $g/memory.max)"
check "events --stats" 1 "$(runc events --stats c1 2>/dev/null | grep -c '"limit":41943040')"

runc kill c1 KILL; check "kill" 0 $?
i=0; while [ "$(runc state c1 | grep '"status"' | cut -d'"' -f4)" != stopped ] && [ $i -lt 100 ]; do i=$((i + 1)); done
check "stopped" "stopped" "$(runc state c1 | grep '"status"' | cut -d'"' -f4)"
runc delete c1; check "delete" 0 $?
check "cgroup gone" "" "$(ls -d $g 2>/dev/null)"

bundle '["sh", "-c", "sleep 1000 & sleep 1000"]'
runc run -d c1 < /dev/null > /run/log 2>&1
runc pause c1
runc delete --force c1; check "delete --force of a frozen container" 0 $?
check "its processes are gone" "" "$(cat $g/cgroup.procs 2>/dev/null)"

bundle '["sh", "-c", "head -c 100000000 /dev/zero | wc -c"]' '{"memory": {"limit": 1048576, "swap": 1048576}}'
runc run c1 > /run/log 2>&1; check "1 MiB is enough to start in" 0 "$(grep -c 'OOM-killed' /run/log)"
runc delete --force c1 > /dev/null 2>&1
for limit in 524288 786432 1048576; do
  bundle '["true"]' '{"memory": {"limit": '$limit'}}'
  out=$(runc run c1 2>&1); check "a static true starts with a limit of $limit" "0 " "$? $out"
done

bundle '["sleep", "1000"]' '{"cpu": {"idle": 1, "cpus": "0", "mems": "0"}, "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}], "unified": {"memory.oom.group": "1", "cpu.max": "30000 100000"}}'
runc run -d c1 < /dev/null > /run/log 2>&1; check "rarer resources" "" "$(cat /run/log)"
check "cpu.idle" 1 "$(cat $g/cpu.idle)"
check "cpuset.mems" 0 "$(cat $g/cpuset.mems)"
check "hugetlb.2MB.max" 4194304 "$(cat $g/hugetlb.2MB.max)"
check "hugetlb.2MB.rsvd.max" 4194304 "$(cat $g/hugetlb.2MB.rsvd.max)"
check "memory.oom.group by unified" 1 "$(cat $g/memory.oom.group)"
check "cpu.max by unified" "30000 100000" "$(cat $g/cpu.max)"
runc update --cpu-quota 20000 --cpu-burst 20000 c1; runc update --cpu-quota 10000 --cpu-burst 10000 c1
check "a smaller quota and burst at once" "10000 100000 10000" "$(cat $g/cpu.max) $(cat $g/cpu.max.burst)"
echo '{"memory": {"limit": 4096, "checkBeforeUpdate": true}}' | runc update -r - c1 > /run/log 2>&1
check "checkBeforeUpdate" 1 "$(grep -c 'rejecting memory limit 4096' /run/log)"
bundle '["true"]'
runc run c2 > /run/log 2>&1; check "a cgroup with processes is refused" 1 "$(grep -c 'cgroup is not empty' /run/log)"
check "and left alone" 1 "$(wc -l < $g/cgroup.procs)"
runc delete --force c1
bundle '["true"]' '{"memory": {"swappiness": 10}}'
runc run c1 > /run/log 2>&1; check "a field of v1 is refused by name" 1 "$(grep -c 'memory.swappiness cannot be set' /run/log)"

# A kernel before 6.15 cannot bind from a detached mount: nodes for a user namespace, one that the host has not.
bundle '["sh", "-c", "stat -c \"%a %u:%g %t:%T\" /dev/own /dev/null; grep -c \" /dev/own .*nosuid,noexec\" /proc/self/mountinfo"]'
sed -i -e 's/"linux":{/"linux":{"uidMappings":[{"containerID":0,"hostID":1000,"size":1000}],"gidMappings":[{"containerID":0,"hostID":1000,"size":1000}],"devices":[{"path":"\/dev\/own","type":"c","major":1,"minor":5,"fileMode":432,"uid":7,"gid":8}],/' -e 's/{"type":"mount"}/{"type":"mount"},{"type":"user"}/' config.json
chmod 755 /bundle /bundle/rootfs
check "devices in a user namespace" "660 7:8 1:5 666 0:0 1:3 1" "$(runc run c1 2>&1 | tr '\n' ' ' | sed 's/ $//')"
check "and nothing of it on the host" 0 "$(grep -c ' /dev/pts tmpfs' /proc/mounts)"

# Its user owns the cgroup, where it may write to a view of its own.
bundle '["sh", "-c", "mkdir /sys/fs/cgroup/below && echo made"]'
sed -i -e 's/"uid":0,"gid":0/"uid":1000,"gid":0/' -e 's/{"type":"mount"}/{"type":"mount"},{"type":"cgroup"}/' -e 's/\("destination":"\/sys\/fs\/cgroup"[^}]*\),"ro"\]/\1]/' -e 's/"relatime","ro"\]/"relatime"]/' config.json
check "the user's own cgroup" "made" "$(runc run c1 2>&1)"
bundle '["sh", "-c", "x=$(head -c 30000000 /dev/zero | tr \\\\0 x); echo survived"]' '{"memory": {"limit": 8388608, "swap": 8388608}}'
out=$(runc run c1 2>/dev/null); check "the memory limit kills" "" "$out"
runc delete --force c1 > /dev/null 2>&1
check "no cgroup is left" "" "$(ls -d /sys/fs/cgroup/smoke/*/ 2>/dev/null)"
check "no state is left" "" "$(ls /run/runc 2>/dev/null)"
echo "smoke: $passed passed, $failed failed"
poweroff -f
