// The OCI spec of a container that ctr creates: containerd's default one for Linux, changed by image and flags.
import { existsSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import * as capability from "../../../ffi/constants/capability.ts";
import type { Config as ImageConfig } from "../../spec/oci/image.ts";
import type { Config, Device, DeviceRule, Mount, Namespace } from "../../spec/oci/runtime.ts";
import { UsageError } from "./command.ts";
import type { Flags } from "./flags.ts";
import { labelArgs } from "./format.ts";

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What an unprivileged container may, in containerd's order. */
const CAPABILITIES = [
  ...["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID"],
  ...["CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL"],
  "CAP_AUDIT_WRITE",
];

const MASKED = [
  ...["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"],
  ...["/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
];
const READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** Character devices that every container gets: null, zero, full, tty, random, urandom, console, pts, ptmx. */
const DEVICES: readonly (readonly [number, number?])[] = [
  ...([[1, 3], [1, 8], [1, 7], [5, 0], [1, 5], [1, 9], [5, 1], [136], [5, 2]] as const),
];

const mount = (destination: string, type: string, source: string, ...options: string[]): Mount => ({
  destination,
  type,
  source,
  options,
});

function mounts(privileged: boolean): Mount[] {
  const sysfs = ["nosuid", "noexec", "nodev", ...(privileged ? ["rw"] : ["ro"])];
  return [
    mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
    mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount(
      "/dev/pts",
      "devpts",
      "devpts",
      "nosuid",
      "noexec",
      "newinstance",
      "ptmxmode=0666",
      "mode=0620",
      "gid=5",
    ),
    mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    mount("/sys", "sysfs", "sysfs", ...sysfs),
    mount("/run", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
  ];
}

/** Every capability that this kernel knows. */
function allCapabilities(): string[] {
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  return Object.entries(capability)
    .filter(([name, value]) => name.startsWith("CAP_") && typeof value === "number" && value <= last)
    .map(([name]) => name);
}

/** `type=bind,src=/a,dst=/b,options=rbind:ro` */
function parseMount(text: string): Mount {
  const one: Mount = { destination: "", options: [] };
  for (const part of text.split(",")) {
    const [key, ...rest] = part.split("=");
    const value = rest.join("=");
    if (key === "type") one.type = value;
    else if (key === "source" || key === "src") one.source = value;
    else if (key === "destination" || key === "dst") one.destination = value;
    else if (key === "options") one.options = value.split(":");
    else throw new UsageError(`invalid mount option ${JSON.stringify(key)}: mount option not supported`);
  }
  if (one.destination === "") throw new UsageError(`invalid mount ${JSON.stringify(text)}: no destination`);
  return one;
}

function parseDevice(path: string): Device & { type: "c" | "b" } {
  const stat = statSync(path, { throwIfNoEntry: false });
  const type = stat?.isCharacterDevice() ? "c" : stat?.isBlockDevice() ? "b" : undefined;
  if (!stat || !type) throw new UsageError(`${path}: not a device`);
  const major = (stat.rdev >> 8) & 0xfff;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00);
  return { path, type, major, minor, fileMode: stat.mode & 0o777, uid: stat.uid, gid: stat.gid };
}

function namespacesOf(flags: Flags): Namespace[] {
  const namespaces: Namespace[] = (["pid", "ipc", "uts", "mount", "network"] as const).map((type) => ({
    type,
  }));
  const left = flags.boolean("net-host") ? namespaces.filter(({ type }) => type !== "network") : namespaces;
  for (const text of flags.strings("with-ns")) {
    const at = text.indexOf(":");
    const type = text.slice(0, at);
    const path = text.slice(at + 1);
    const one = left.find((each) => each.type === type);
    if (at < 0 || !path.startsWith("/")) {
      throw new UsageError("joining a Linux namespace using --with-ns requires the format 'nstype:path'");
    }
    if (one) one.path = path;
    else left.push({ type: type as Namespace["type"], path });
  }
  return left;
}

/** Environment in order, later values of a name in place of earlier ones. */
function merged(...lists: readonly (readonly string[])[]): string[] {
  const by = new Map<string, string>();
  for (const text of lists.flat()) by.set(text.split("=", 1)[0]!, text);
  return [...by.values()];
}

function environment(flags: Flags, image: ImageConfig | undefined): string[] {
  const files = flags.string("env-file");
  const fromFile =
    files === ""
      ? []
      : readFileSync(files, "utf8")
          .split("\n")
          .filter((line) => /^[^#=\s]+=/.test(line));
  const terminal = flags.boolean("tty") ? ["TERM=xterm"] : [];
  const host = flags.boolean("net-host") ? [`HOSTNAME=${hostname()}`] : [];
  const own = image?.config?.Env ?? [];
  return merged(own.length > 0 ? own : [PATH], terminal, host, fromFile, flags.strings("env"));
}

/** Throws UsageError when neither the words nor the image say what to run. */
function command(args: readonly string[], image: ImageConfig | undefined): string[] {
  const words = [
    ...(image?.config?.Entrypoint ?? []),
    ...(args.length > 0 ? args : (image?.config?.Cmd ?? [])),
  ];
  if (words.length === 0) throw new UsageError("no arguments specified");
  return words;
}

/** Files of the host that a container in its network namespace wants to see. */
const hostFiles = (): Mount[] =>
  ["/etc/hosts", "/etc/resolv.conf"]
    .filter((path) => existsSync(path))
    .map((path) => mount(path, "bind", path, "rbind", "ro"));

/** --cpus is a quota in other words; both at once make no sense. */
function cpuOf(flags: Flags): { quota?: number; period?: number; shares?: number } {
  const cpus = flags.number("cpus");
  const quota = flags.number("cpu-quota");
  if (cpus > 0 && quota !== -1) throw new UsageError("cpus and quota/period should be used separately");
  const period = flags.number("cpu-period") || 100_000;
  const shares = flags.number("cpu-shares");
  return {
    ...(cpus > 0
      ? { quota: Math.round(cpus * 100_000), period: 100_000 }
      : quota > 0
        ? { quota, period }
        : {}),
    ...(flags.given("cpu-shares") ? { shares } : {}),
  };
}

export interface SpecRequest {
  ns: string;
  id: string;
  flags: Flags;
  args: readonly string[];
  /** Absent with --rootfs. */
  image?: ImageConfig;
  user: { uid: number; gid: number; additionalGids: number[] };
  /** "rootfs" below the bundle, or a directory of the host's. */
  root: string;
}

/** Throws UsageError for flags that make no sense. */
export function containerSpec({ ns, id, flags, args, image, user, root }: SpecRequest): Config {
  const privileged = flags.boolean("privileged");
  const wanted = new Set(privileged ? allCapabilities() : CAPABILITIES);
  for (const name of flags.strings("cap-add")) wanted.add(name);
  for (const name of flags.strings("cap-drop")) wanted.delete(name);
  const capabilities = [...wanted];
  const memory = flags.number("memory-limit");
  const cpu = cpuOf(flags);
  const propagation = flags.string("rootfs-propagation");
  const devices = flags.strings("device").map(parseDevice);
  const annotations = labelArgs(flags.strings("annotation"));
  const rule = (major: number, minor?: number): DeviceRule => ({
    allow: true,
    type: "c",
    major,
    ...(minor === undefined ? {} : { minor }),
    access: "rwm",
  });
  return {
    ociVersion: "1.0.2",
    process: {
      ...(flags.boolean("tty") ? { terminal: true } : {}),
      user,
      args: command(args, image),
      env: environment(flags, image),
      cwd: flags.string("cwd") || image?.config?.WorkingDir || "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: !(flags.boolean("allow-new-privs") || privileged),
    },
    root: { path: root, ...(flags.boolean("read-only") ? { readonly: true } : {}) },
    mounts: [
      ...mounts(privileged),
      ...(flags.boolean("net-host") ? hostFiles() : []),
      ...flags.strings("mount").map(parseMount),
    ],
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    linux: {
      resources: {
        devices: privileged
          ? [{ allow: true, access: "rwm" }]
          : [
              { allow: false, access: "rwm" },
              ...DEVICES.map(([major, minor]) => rule(major, minor)),
              ...devices.map(({ type, major, minor }) => ({
                allow: true,
                type,
                major,
                minor,
                access: "rwm",
              })),
            ],
        ...(memory > 0 ? { memory: { limit: memory } } : {}),
        ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
      },
      cgroupsPath: flags.given("cgroup") ? flags.string("cgroup") : `/${ns}/${id}`,
      namespaces: namespacesOf(flags),
      ...(propagation === "" ? {} : { rootfsPropagation: propagation }),
      ...(devices.length > 0 ? { devices } : {}),
      ...(privileged ? {} : { maskedPaths: MASKED, readonlyPaths: READONLY }),
    },
  };
}
