#!/bin/sh
# `--systemd-cgroup` under systemd itself; scripts/vm.ts --systemd runs it: first as the machine's first program, which hands
# over to systemd, then as a service of that.
export PATH=/bin:/usr/bin HOME=/
if [ "$1" != list ]; then
  # Nothing can pivot away from an initramfs: everything moves to a tmpfs first.
  mkdir /new
  mount -t tmpfs root /new
  for entry in bin lib lib64 usr bundle init etc; do [ -e /$entry ] && cp -a /$entry /new/; done
  mkdir /new/dev /new/proc /new/sys /new/run /new/tmp
  mount -t devtmpfs dev /new/dev
  exec switch_root /new /lib/systemd/systemd --log-target=console --log-level=warning --show-status=0
fi
exec > /dev/console 2>&1
passed=0
failed=0
# check NAME EXPECTED GOT
check() {
  if [ "$2" = "$3" ]; then passed=$((passed + 1)); echo "ok   $1"
  else failed=$((failed + 1)); echo "FAIL $1"; echo "  expected: $2"; echo "  got:      $3"; fi
}
cd /bundle || exit 1
none='{}'
# bundle ARGV RESOURCES: both JSON; the unit is docker-c1.scope in a slice of its own.
bundle() {
  { sed 's#"cgroupsPath":"/smoke/c1"#"cgroupsPath":"bunker-test.slice:docker:c1"#' /bundle/head; echo "$1"
    sed 's#"cgroupsPath":"/smoke/c1"#"cgroupsPath":"bunker-test.slice:docker:c1"#' /bundle/middle; echo "${2:-$none}"
    sed 's#"cgroupsPath":"/smoke/c1"#"cgroupsPath":"bunker-test.slice:docker:c1"#' /bundle/tail; } > config.json
}
show() { systemctl show -p "$1" --value docker-c1.scope; }
g=/sys/fs/cgroup/bunker.slice/bunker-test.slice/docker-c1.scope
i=0; until systemctl show -p Version > /dev/null 2>&1 || [ $i -gt 100 ]; do i=$((i + 1)); sleep 0.2; done
owner="busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus GetNameOwner s org.freedesktop.systemd1"
i=0; until $owner > /dev/null 2>&1 || [ $i -gt 100 ]; do i=$((i + 1)); sleep 0.2; done
echo "systemd $(systemctl show -p Version --value), kernel $(uname -r)"

limits='{"memory": {"limit": 67108864, "swap": 67108864, "reservation": 33554432}, "pids": {"limit": 20},
  "cpu": {"shares": 2048, "quota": 50000, "period": 100000, "cpus": "0"},
  "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}'
bundle '["sleep", "1000"]' "$(echo "$limits" | tr -d '\n')"
runc --systemd-cgroup create c1 < /dev/null > /run/log 2>&1; check "create" "" "$(cat /run/log)"
check "the scope is active" active "$(show ActiveState)"
check "its slice" bunker-test.slice "$(show Slice)"
check "its one process" "$(runc state c1 | grep '"pid"' | tr -dc 0-9)" "$(cat $g/cgroup.procs)"
check "MemoryMax" 67108864 "$(show MemoryMax)"
check "MemoryLow" 33554432 "$(show MemoryLow)"
check "TasksMax" 20 "$(show TasksMax)"
check "CPUQuotaPerSecUSec" 500ms "$(show CPUQuotaPerSecUSec)"
check "AllowedCPUs" 0 "$(show AllowedCPUs)"
check "DevicePolicy" strict "$(show DevicePolicy)"
check "DeviceAllow has the configured one" 1 "$(show DeviceAllow | grep -c '/dev/char/1:11 r')"
check "memory.max" 67108864 "$(cat $g/memory.max)"
runc start c1; check "start" 0 $?
check "exec in the scope" "0::/bunker.slice/bunker-test.slice/docker-c1.scope" "$(runc exec c1 cat /proc/self/cgroup 2>&1)"
systemctl daemon-reload; check "daemon-reload" 0 $?
check "after it: /dev/null works" x "$(runc exec c1 sh -c 'echo y > /dev/null && echo x' 2>&1)"
check "after it: a device that no rule allows" 1 "$(runc exec c1 sh -c 'busybox mknod /dev/mem c 1 1; cat /dev/mem' 2>&1 | grep -c 'Operation not permitted')"
check "after it: memory.max" 67108864 "$(cat $g/memory.max)"
runc update --memory 33554432 --memory-swap 33554432 --pids-limit 30 c1; check "update" 0 $?
check "MemoryMax after it" 33554432 "$(show MemoryMax)"
check "TasksMax after it" 30 "$(show TasksMax)"
systemctl daemon-reload
check "memory.max after a reload" 33554432 "$(cat $g/memory.max)"
runc pause c1; check "paused" paused "$(runc state c1 | grep '"status"' | cut -d'"' -f4)"
runc resume c1
runc delete --force c1; check "delete" 0 $?
check "the scope is gone" inactive "$(show ActiveState)"
check "its cgroup is gone" "" "$(ls -d $g 2>/dev/null)"
bundle '["sh", "-c", "exit 7"]'
sed -i 's/"ociVersion"/"annotations":{"org.systemd.property.TimeoutStopSec":"11","org.systemd.property.CollectMode":"'"'inactive-or-failed'"'"},"ociVersion"/' config.json
runc --systemd-cgroup run c1; check "run" 7 $?
check "nothing is left" "inactive " "$(show ActiveState) $(ls /run/runc 2>/dev/null)"
bundle '["sleep", "1000"]'
runc --systemd-cgroup run -d c1 < /dev/null > /run/log 2>&1; check "run again" "" "$(cat /run/log)"
systemctl stop docker-c1.scope; check "systemctl stop ends it" stopped "$(runc state c1 | grep '"status"' | cut -d'"' -f4)"
runc delete c1; check "delete of a stopped one" 0 $?
echo "smoke: $passed passed, $failed failed"
echo b > /proc/sysrq-trigger
sleep 10
