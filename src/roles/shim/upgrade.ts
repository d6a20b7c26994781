// `bunker shim upgrade [ID…]`: every living shim of ours on this machine, or those of the named containers, becomes this
// executable while its container runs.
import { print } from "../../../ffi/output.ts";
import { namesAt, readTextIfThere, statOf } from "../../../ffi/path.ts";
import { compiled } from "../../self.ts";
import { version } from "../../version.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import { TtrpcClient } from "../../wire/ttrpc/client.ts";
import type { Caller } from "../../wire/ttrpc/service.ts";
import { shimSocket } from "../../wire/ttrpc/shim-address.ts";
import { ShimControl } from "../../wire/ttrpc/shim-control.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { toStderr } from "./stderr.ts";

/** How long a shim may take to be the new version: it waits for a quiet moment. */
const PATIENCE = 40_000;
const PAUSE = 20;
const CALL = 10_000;

const USAGE = `Usage: bunker shim upgrade [ID...]

Every living shim, or those of the named containers, becomes this executable (version ${version}) while its container runs.
`;

/** The serving shims on this machine, by their command lines. */
function livingShims(): { socket: string; flags: Flags }[] {
  const found = new Map<string, Flags>();
  for (const pid of namesAt("/proc") ?? []) {
    if (!/^\d+$/.test(pid)) continue;
    const words = (readTextIfThere(`/proc/${pid}/cmdline`) ?? "").split("\0").slice(0, -1);
    const first = words.indexOf("-namespace");
    if (first < 1 || !words.slice(0, first).some((word) => word.includes("containerd-shim"))) continue;
    try {
      const flags = parseFlags(words.slice(first));
      if (flags.action !== "" || flags.id === "") continue;
      found.set(flags.socket || shimSocket(flags.address, flags.namespace, flags.id), flags);
    } catch {
      // Some other program's flags.
    }
  }
  return [...found].map(([socket, flags]) => ({ socket, flags }));
}

/** Whether a path is that of this executable, by whatever name. */
function isThis(path: string): boolean {
  try {
    const [there, own] = [statOf(path), statOf("/proc/self/exe")];
    return there.ino === own.ino && there.dev === own.dev;
  } catch {
    return false;
  }
}

const named = (of: { version: string; commit: string }) => `${of.version} (${of.commit})`;

/** What was done, in words. Throws when it did not become this executable; undefined: no shim of ours. */
async function upgradeAt(socket: string): Promise<string | undefined> {
  const client = await TtrpcClient.connect(`unix://${socket}`);
  try {
    return await upgradeOne(client.service(ShimControl));
  } finally {
    client.close();
  }
}

async function upgradeOne(control: Caller<typeof ShimControl>): Promise<string | undefined> {
  let before: Awaited<ReturnType<typeof control.version>>;
  try {
    before = await control.version({}, { timeout: CALL });
  } catch (error) {
    if (error instanceof ServiceError && error.code === "Unimplemented") return undefined;
    throw error;
  }
  if (isThis(before.program)) return `is ${named(before)} already`;
  await control.upgrade({ program: process.execPath }, { timeout: CALL });
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    await Bun.sleep(PAUSE);
    const now = await control.version({}, { timeout: CALL });
    if (isThis(now.program)) return `${named(before)} → ${named(now)}`;
  }
  throw new Error(`is ${named(before)} still: it was busy, or its log says why`);
}

export async function upgrade(args: readonly string[]): Promise<number> {
  if (args.some((arg) => arg.startsWith("-"))) {
    const help = args.includes("--help") || args.includes("-h");
    if (help) print(USAGE);
    else toStderr(USAGE);
    return help ? 0 : 64;
  }
  if (!compiled) throw new Error("shim upgrade: run it from the executable that the shims shall become");
  const wanted = livingShims().filter(({ flags }) => args.length === 0 || args.includes(flags.id));
  const missing = args.filter((id) => !wanted.some(({ flags }) => flags.id === id));
  for (const id of missing) toStderr(`shim upgrade: no living shim of ${id}\n`);
  let failed = missing.length;
  for (const { socket, flags } of wanted) {
    const name = `${flags.namespace}/${flags.id}`;
    try {
      const done = await upgradeAt(socket);
      if (done !== undefined) print(`${name}: ${done}\n`);
    } catch (error) {
      failed++;
      toStderr(`shim upgrade: ${name}: ${(error as Error).message}\n`);
    }
  }
  return failed === 0 ? 0 : 1;
}
