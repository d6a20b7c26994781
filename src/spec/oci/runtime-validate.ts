// The border: a parsed config.json becomes a `Config`, or an error that names every field that is wrong.
import { type Config, HOOK_KINDS, NAMESPACE_TYPES, type Process, type Resources } from "./runtime.ts";
import {
  type Check,
  filled,
  flag,
  i32,
  i64,
  list,
  map,
  matching,
  object,
  oneOf,
  text,
  u16,
  u32,
  u64,
  whole,
} from "./schema.ts";

/** A document that is not what the spec asks for. `message` holds one complaint a line. */
export class InvalidConfig extends Error {
  override readonly name = "InvalidConfig";
  constructor(
    readonly document: string,
    readonly complaints: readonly string[],
  ) {
    super(`invalid ${document}: ${complaints.join("; ")}`);
  }
}

const absolute = matching(/^\//, "an absolute path");
const idMapping = object(() => ({ "containerID!": u32, "hostID!": u32, "size!": u32 }));
// "KEY=value"; Go's runtime takes an entry without "=" too, so only NUL is refused.
const environment = list(text);

const process = object(() => ({
  terminal: flag,
  consoleSize: object(() => ({ "height!": u64, "width!": u64 })),
  user: object(() => ({ uid: u32, gid: u32, umask: u32, additionalGids: list(u32), username: text })),
  args: list(text),
  commandLine: text,
  env: environment,
  "cwd!": filled,
  capabilities: object(() => ({
    bounding: list(text),
    effective: list(text),
    inheritable: list(text),
    permitted: list(text),
    ambient: list(text),
  })),
  rlimits: list(
    object(() => ({
      "type!": matching(/^RLIMIT_[A-Z]+$/, "RLIMIT_ and a name"),
      "hard!": u64,
      "soft!": u64,
    })),
  ),
  noNewPrivileges: flag,
  apparmorProfile: text,
  oomScoreAdj: whole(-1000, 1000),
  selinuxLabel: text,
  ioPriority: object(() => ({
    "class!": oneOf("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"),
    priority: whole(0, 7),
  })),
  scheduler: object(() => ({
    "policy!": oneOf(
      "SCHED_OTHER",
      "SCHED_FIFO",
      "SCHED_RR",
      "SCHED_BATCH",
      "SCHED_ISO",
      "SCHED_IDLE",
      "SCHED_DEADLINE",
    ),
    nice: i32,
    priority: i32,
    flags: list(text),
    runtime: u64,
    deadline: u64,
    period: u64,
  })),
  execCPUAffinity: object(() => ({ initial: text, final: text })),
}));

const mount = object(() => ({
  "destination!": filled,
  type: text,
  source: text,
  options: list(text),
  uidMappings: list(idMapping),
  gidMappings: list(idMapping),
}));

const hook = object(() => ({
  "path!": absolute,
  args: list(text),
  env: environment,
  timeout: whole(1, 2 ** 31),
}));

const throttle = list(object(() => ({ "major!": i64, "minor!": i64, "rate!": u64 })));

const resources = object(() => ({
  devices: list(
    object(() => ({
      "allow!": flag,
      type: oneOf("a", "c", "b", ""),
      major: i64,
      minor: i64,
      access: matching(/^[rwm]*$/, "a combination of r, w and m"),
    })),
  ),
  memory: object(() => ({
    limit: i64,
    reservation: i64,
    swap: i64,
    kernel: i64,
    kernelTCP: i64,
    swappiness: u64,
    disableOOMKiller: flag,
    useHierarchy: flag,
    checkBeforeUpdate: flag,
  })),
  cpu: object(() => ({
    shares: u64,
    quota: i64,
    burst: u64,
    period: u64,
    realtimeRuntime: i64,
    realtimePeriod: u64,
    cpus: matching(/^[\d,\s-]*$/, "a list of CPUs such as 0-3,7"),
    mems: matching(/^[\d,\s-]*$/, "a list of memory nodes such as 0-3,7"),
    idle: i64,
  })),
  pids: object(() => ({ limit: i64 })),
  blockIO: object(() => ({
    weight: u16,
    leafWeight: u16,
    weightDevice: list(object(() => ({ "major!": i64, "minor!": i64, weight: u16, leafWeight: u16 }))),
    throttleReadBpsDevice: throttle,
    throttleWriteBpsDevice: throttle,
    throttleReadIOPSDevice: throttle,
    throttleWriteIOPSDevice: throttle,
  })),
  hugepageLimits: list(
    object(() => ({
      // config-linux.md#huge-page-limits: the unit prefix is upper case.
      "pageSize!": matching(/^[1-9]\d*[KMG]B$/, "a page size such as 64KB or 2MB"),
      "limit!": u64,
    })),
  ),
  network: object(() => ({
    classID: u32,
    priorities: list(object(() => ({ "name!": filled, "priority!": u32 }))),
  })),
  rdma: map(object(() => ({ hcaHandles: u32, hcaObjects: u32 }))),
  unified: map(text),
}));

const ACTIONS = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
];

const seccomp = object(() => ({
  "defaultAction!": oneOf(...ACTIONS),
  defaultErrnoRet: u32,
  flags: list(
    oneOf(
      "SECCOMP_FILTER_FLAG_TSYNC",
      "SECCOMP_FILTER_FLAG_LOG",
      "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ),
  ),
  listenerPath: text,
  listenerMetadata: text,
  architectures: list(matching(/^SCMP_ARCH_[A-Z0-9_]+$/, "SCMP_ARCH_ and a name")),
  syscalls: list(
    object(() => ({
      "names!": list(filled),
      "action!": oneOf(...ACTIONS),
      errnoRet: u32,
      args: list(
        object(() => ({
          "index!": whole(0, 5),
          "value!": u64,
          valueTwo: u64,
          "op!": oneOf(
            "SCMP_CMP_NE",
            "SCMP_CMP_LT",
            "SCMP_CMP_LE",
            "SCMP_CMP_EQ",
            "SCMP_CMP_GE",
            "SCMP_CMP_GT",
            "SCMP_CMP_MASKED_EQ",
          ),
        })),
      ),
    })),
  ),
}));

const linux = object(() => ({
  namespaces: list(object(() => ({ "type!": oneOf(...NAMESPACE_TYPES), path: text }))),
  uidMappings: list(idMapping),
  gidMappings: list(idMapping),
  timeOffsets: map(object(() => ({ secs: i64, nanosecs: u32 }))),
  devices: list(
    object(() => ({
      "type!": oneOf("c", "b", "u", "p"),
      "path!": absolute,
      major: i64,
      minor: i64,
      fileMode: u32,
      uid: u32,
      gid: u32,
    })),
  ),
  netDevices: map(object(() => ({ name: text }))),
  cgroupsPath: text,
  resources,
  rootfsPropagation: oneOf(
    "shared",
    "rshared",
    "slave",
    "rslave",
    "private",
    "rprivate",
    "unbindable",
    "runbindable",
    "",
  ),
  seccomp,
  sysctl: map(text),
  maskedPaths: list(text),
  readonlyPaths: list(text),
  mountLabel: text,
  intelRdt: object(() => ({
    closID: text,
    schemata: list(text),
    l3CacheSchema: text,
    memBwSchema: text,
    enableMonitoring: flag,
  })),
  memoryPolicy: object(() => ({ "mode!": text, nodes: text, flags: list(text) })),
  personality: object(() => ({ "domain!": oneOf("LINUX", "LINUX32"), flags: list(text) })),
}));

const config = object(() => ({
  "ociVersion!": matching(/^\d+\.\d+\.\d+/, "a semantic version"),
  process,
  root: object(() => ({ "path!": filled, readonly: flag })),
  hostname: text,
  domainname: text,
  mounts: list(mount),
  hooks: object(() => Object.fromEntries(HOOK_KINDS.map((kind) => [kind, list(hook)]))),
  annotations: map(text),
  linux,
  freebsd: object(() => ({ jail: object(() => ({ vnet: oneOf("new", "inherit") })) })),
}));

function checked(document: string, check: Check, value: unknown): void {
  const complaints: string[] = [];
  check(value, "", complaints);
  if (complaints.length > 0) throw new InvalidConfig(document, complaints);
}

function parse(document: string, source: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new InvalidConfig(document, [(error as Error).message]);
  }
}

/** Parses and checks a config.json. Throws InvalidConfig. */
export function parseConfig(source: string, document = "config.json"): Config {
  const value = parse(document, source);
  checked(document, config, value);
  const result = value as Config;
  if (result.process) withUser(result.process);
  return result;
}

/** Parses and checks a process document (`exec --process`). Throws InvalidConfig. */
export function parseProcess(source: string, document = "process.json"): Process {
  const value = parse(document, source);
  checked(document, process, value);
  return withUser(value as Process);
}

/** Go's runtimes read an absent user as root; documents in use rely on it. */
function withUser(process: Process): Process {
  process.user = { ...process.user, uid: process.user?.uid ?? 0, gid: process.user?.gid ?? 0 };
  return process;
}

/** Parses and checks a resources document (`update --resources`). Throws InvalidConfig. */
export function parseResources(source: string, document = "resources"): Resources {
  const value = parse(document, source);
  checked(document, resources, value);
  return value as Resources;
}
