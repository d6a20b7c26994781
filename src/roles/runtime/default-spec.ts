// The config.json that `spec` writes: a shell on a read-only root, few privileges.
import { type Config, type Mount, NAMESPACE_TYPES, type NamespaceType } from "../../spec/oci/runtime.ts";

const capabilities = () => ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/** A fresh document; `rootless`: for the calling user, without what only root can mount. */
export function defaultSpec(rootless: boolean): Config {
  const config: Config = {
    ociVersion: "1.0.2-dev",
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: {
        bounding: capabilities(),
        effective: capabilities(),
        permitted: capabilities(),
        ambient: capabilities(),
      },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "runc",
    mounts: mounts(),
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: (["pid", "network", "ipc", "uts", "mount"] as const).map((type) => ({ type })),
      maskedPaths: [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/sys/firmware",
        "/proc/scsi",
      ],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
  return rootless ? forUser(config) : config;
}

function mounts(): Mount[] {
  const quiet = ["nosuid", "noexec", "nodev"];
  return [
    { destination: "/proc", type: "proc", source: "proc" },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...quiet, "mode=1777", "size=65536k"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...quiet, "relatime", "ro"],
    },
  ];
}

function forUser(config: Config): Config {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const types: NamespaceType[] = NAMESPACE_TYPES.filter((type) =>
    ["pid", "ipc", "uts", "mount", "user"].includes(type),
  );
  config.linux = {
    ...config.linux,
    uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
    resources: undefined,
    namespaces: types.map((type) => ({ type })),
  };
  config.mounts = config.mounts
    ?.filter(({ destination }) => destination !== "/sys/fs/cgroup")
    .map((mount) => ({ ...mount, options: mount.options?.filter((option) => option !== "gid=5") }))
    .map((mount) =>
      mount.destination === "/sys"
        ? {
            destination: "/sys",
            type: "none",
            source: "/sys",
            // Read-only all the way down: the user's own cgroups lie below (CVE-2023-25809).
            options: ["rbind", "nosuid", "noexec", "nodev", "ro", "rro"],
          }
        : mount,
    );
  return config;
}
