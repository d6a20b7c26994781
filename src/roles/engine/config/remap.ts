// userns-remap: whose subordinate ids the containers get. moby: cmd/dockerd (parseRemappedRoot), user namespace docs; man 5 subuid
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import { containerId, hostId } from "../../../spec/oci/id-mapping.ts";
import type { IdMapping } from "../../../spec/oci/runtime.ts";
import type { EngineConfig } from "./types.ts";
import { ConfigError } from "./values.ts";

/** Whose a file is. */
export interface Owner {
  uid: number;
  gid: number;
}

/** The mapping of every container that does not ask for the host's user namespace. */
export interface Remap {
  uids: IdMapping[];
  gids: IdMapping[];
  /** The containers' root on the host. */
  root: Owner;
}

/** The host's ids for a container's. Throws what is not mapped, in dockerd's words. */
export function toHost({ uids, gids }: Remap, owner: Owner): Owner {
  const mapped = (id: number, maps: readonly IdMapping[]): number => {
    const found = hostId(id, maps);
    if (found === undefined) throw new Error(`Container ID ${id} cannot be mapped to a host ID`);
    return found;
  };
  return { uid: mapped(owner.uid, uids), gid: mapped(owner.gid, gids) };
}

/** A container's ids for the host's; what it has none for is nobody's, as the container itself sees it. */
export function toContainer({ uids, gids }: Remap, owner: Owner): Owner {
  return { uid: containerId(owner.uid, uids) ?? NOBODY, gid: containerId(owner.gid, gids) ?? NOBODY };
}

/** /proc/sys/kernel/overflowuid. man 5 proc */
const NOBODY = 65534;
/** What "default" stands for. */
const DEFAULT_USER = "dockremap";
/** How many ids a user gets, and the first ones: useradd's own defaults. man 5 login.defs */
const RANGE = 65536;
const FIRST = 100000;

type Database = "passwd" | "group";

/** Name and id of a user or group, from the files or (LDAP and the like) by getent. */
function entry(database: Database, key: string): { name: string; id: number } {
  const numeric = /^\d+$/.test(key);
  const find = (text: string) =>
    text
      .split("\n")
      .map((line) => line.split(":"))
      .find(([name, , id]) => (numeric ? id === key : name === key && id !== undefined));
  const file = (): string => {
    try {
      return readFileSync(`/etc/${database}`, "utf8");
    } catch {
      return "";
    }
  };
  const asked = (): string =>
    Bun.which("getent")
      ? Bun.spawnSync(["getent", database, key], { stderr: "ignore" }).stdout.toString()
      : "";
  const found = find(file()) ?? find(asked());
  if (!found) throw new Error(`getent unable to find entry "${key}" in ${database} database`);
  return { name: found[0]!, id: Number(found[2]) };
}

function lookup(database: Database, key: string, failure: string): { name: string; id: number } {
  try {
    return entry(database, key);
  } catch (error) {
    throw new ConfigError(`${failure}: ${(error as Error).message}`);
  }
}

/** `default`, `user`, `uid`, `user:group` … → the names whose ranges count. Makes the default user when it is not there. */
function namesOf(setting: string): { user: string; group: string } {
  const [who = "", whose, ...more] = setting.split(":");
  if (more.length > 0) {
    throw new ConfigError(`Invalid user/group specification in --userns-remap: "${setting}"`);
  }
  const numeric = /^\d+$/.test(who);
  const wanted = who === "default" ? DEFAULT_USER : who;
  if (who === "default") makeDefaultUser();
  const user = numeric
    ? lookup("passwd", who, `Uid ${who} has no entry in /etc/passwd`).name
    : lookup("passwd", wanted, `Error during uid lookup for "${wanted}"`).name;
  if (whose !== undefined) {
    const failure = /^\d+$/.test(whose)
      ? `Gid ${whose} has no entry in /etc/group`
      : `Error during groupname lookup for "${whose}"`;
    return { user, group: lookup("group", whose, failure).name };
  }
  const failure = numeric
    ? `Gid ${who} has no entry in /etc/group`
    : `Error during gid lookup for "${wanted}"`;
  return { user, group: lookup("group", numeric ? who : wanted, failure).name };
}

/** The ranges of a name (or of its id) in a file of subordinate ids, the container's ids counted through. */
function rangesOf(kind: "uid" | "gid", name: string): IdMapping[] {
  const path = `/etc/sub${kind}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`Can't create ID mappings: open ${path}: ${(error as Error).message}`);
  }
  const { id } = entry(kind === "uid" ? "passwd" : "group", name);
  const ranges = text
    .split("\n")
    .map((line) => line.trim().split(":"))
    .filter(([owner]) => owner === name || owner === String(id))
    .map(([, start, length]) => ({ hostID: Number(start), size: Number(length) }))
    .filter(({ hostID, size }) => Number.isInteger(hostID) && Number.isInteger(size) && size > 0);
  if (ranges.length === 0) {
    const what = kind === "uid" ? "user" : "group";
    throw new ConfigError(`Can't create ID mappings: no sub${kind} ranges found for ${what} "${name}"`);
  }
  let containerID = 0;
  return ranges.map((range) => {
    const map = { containerID, ...range };
    containerID += range.size;
    return map;
  });
}

function command(words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(words, { stdin: "ignore", stdout: "ignore" });
  if (exitCode === 0) return;
  throw new ConfigError(
    `Error during "${DEFAULT_USER}" user creation: ${words.join(" ")}: ${stderr.toString().trim() || `exit ${exitCode}`}`,
  );
}

const there = (database: Database, name: string): boolean => {
  try {
    entry(database, name);
    return true;
  } catch {
    return false;
  }
};

/** First id after everything that the file gives away. */
function nextRange(path: string): number {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const ends = text.split("\n").map((line) => {
    const [, start, length] = line.split(":").map(Number);
    return (start ?? 0) + (length ?? 0);
  });
  return Math.max(FIRST, ...ends.filter(Number.isInteger));
}

function makeDefaultUser(): void {
  if (!there("passwd", DEFAULT_USER)) {
    const group = there("group", DEFAULT_USER) ? ["--gid", DEFAULT_USER] : ["--user-group"];
    command([
      "useradd",
      "--system",
      ...group,
      "--no-create-home",
      "--home-dir",
      "/nonexistent",
      "--shell",
      "/bin/false",
      DEFAULT_USER,
    ]);
  }
  for (const [kind, option] of [
    ["uid", "--add-subuids"],
    ["gid", "--add-subgids"],
  ] as const) {
    try {
      rangesOf(kind, DEFAULT_USER);
    } catch {
      const start = nextRange(`/etc/sub${kind}`);
      command(["usermod", option, `${start}-${start + RANGE - 1}`, DEFAULT_USER]);
    }
  }
}

/**
 * The configuration with `userns-remap` carried out: the mapping looked up (and the default user made), and a data root of the
 * mapping's own, `<data-root>/<uid>.<gid>`, as dockerd has it. Throws ConfigError in dockerd's words.
 */
export function settleRemap(config: EngineConfig): EngineConfig {
  if (config.usernsRemap === "") return config;
  const { user, group } = namesOf(config.usernsRemap);
  if (user === "root") {
    // A mapping of everything to itself.
    log("warning", "User namespaces: root cannot be remapped with itself; user namespaces are OFF");
    return config;
  }
  log("info", `User namespaces: ID ranges will be mapped to subuid/subgid ranges of: ${user}`);
  const [uids, gids] = [rangesOf("uid", user), rangesOf("gid", group)];
  const root = { uid: uids[0]!.hostID, gid: gids[0]!.hostID };
  return {
    ...config,
    dataRoot: join(config.dataRoot, `${root.uid}.${root.gid}`),
    remap: { uids, gids, root },
  };
}
