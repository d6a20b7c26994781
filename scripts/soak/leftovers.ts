// What a machine holds that a container may leave behind, as lists of words to be compared.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Kind of thing → what there is of it. */
export type Snapshot = Readonly<Record<string, readonly string[]>>;

/** What this pid and mount namespace, and the machine's cgroups of a name, hold now; `directory` is the soak's own. */
export function snapshot(directory: string, name: string): Snapshot {
  const mounts = lines("/proc/self/mountinfo");
  // Their kinds: which socket it is changes with Bun's own business.
  const descriptors = links("/proc/self/fd").map((one) => one.replace(/:\[\d+\]/, ""));
  const processes = numbers("/proc").filter((pid) => pid !== process.pid);
  return {
    "descriptors of this process": descriptors,
    mounts,
    cgroups: cgroups(mounts, name),
    "network namespaces": networkNamespaces([process.pid, ...processes], mounts),
    processes: processes.map((pid) => `${pid} ${command(pid)}`),
    keys: lines("/proc/keys").filter((line) => line.includes(name)),
    files: files(directory),
  };
}

/** What `after` has and `before` had not, one line each. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  return Object.keys(after).flatMap((kind) =>
    surplus(after[kind]!, before[kind]!).map((one) => `${kind}: ${one}`),
  );
}

/** Each word as often as it is in `list` beyond its count in `known`. */
function surplus(list: readonly string[], known: readonly string[]): string[] {
  const left = [...known];
  return list.filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

const lines = (path: string) => attempt(() => readFileSync(path, "utf8").split("\n").filter(Boolean), []);

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    // It ended while we looked.
    return otherwise;
  }
}

const numbers = (path: string) =>
  readdirSync(path)
    .filter((one) => /^\d+$/.test(one))
    .map(Number);

const links = (directory: string) =>
  attempt(() => readdirSync(directory), []).flatMap((one) =>
    attempt(() => [readlinkSync(join(directory, one))], []),
  );

const command = (pid: number) =>
  attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^\d+ (\(.*\) .).*$/s, "$1"), "");

/** Those that a process is in, that a descriptor holds or that a mount pins. */
function networkNamespaces(pids: readonly number[], mounts: readonly string[]): string[] {
  const inProcesses = pids.flatMap((pid) => [
    ...links(`/proc/${pid}/ns`),
    ...attempt(() => readdirSync(`/proc/${pid}/task`), []).flatMap((task) =>
      links(`/proc/${pid}/task/${task}/ns`),
    ),
    ...links(`/proc/${pid}/fd`),
  ]);
  const pinned = mounts.filter((line) => line.includes(" - nsfs ")).map((line) => line.split(" ")[3]!);
  return [...new Set([...inProcesses, ...pinned])].filter((one) => one.startsWith("net:[")).sort();
}

/** Directories with the name in theirs, in every mounted hierarchy. */
function cgroups(mounts: readonly string[], name: string): string[] {
  const roots = mounts.filter((line) => / - cgroup2? /.test(line)).map((line) => line.split(" ")[4]!);
  // Others make and remove cgroups meanwhile.
  const below = (directory: string): string[] =>
    attempt(() => readdirSync(directory, { withFileTypes: true }), [])
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name))
      .flatMap((path) => [path, ...below(path)]);
  return [...new Set(roots)].flatMap(below).filter((path) => path.includes(name));
}

const files = (directory: string) =>
  attempt(() => readdirSync(directory, { recursive: true }) as string[], []).sort();
