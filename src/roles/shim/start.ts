// `start`: containerd runs it in the bundle and reads the address of the shim that now serves.
// The listening socket is made here and inherited, so the answer need not wait for the serving process to be up.
import { S_IFIFO, S_IFREG } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { read } from "../../../ffi/file.ts";
import { print } from "../../../ffi/output.ts";
import { readText, removeFile, statOf, writeText } from "../../../ffi/path.ts";
import { traced } from "../../observe/trace.ts";
import { childEnvironment, selfCommand } from "../../self.ts";
import { shimSocket } from "../../wire/ttrpc/shim-address.ts";
import { answer, parseAsked } from "./bootstrap.ts";
import type { Flags } from "./flags.ts";
import { groupOf } from "./group.ts";
import { checkIdentifier } from "./identifier.ts";
import { listen, openLog } from "./listening.ts";

const STDIN = 0;

export async function start(flags: Flags, calledAs: string): Promise<number> {
  return traced("shim", "bootstrap", flags.id, () => startShim(flags, calledAs));
}

async function startShim(flags: Flags, calledAs: string): Promise<number> {
  checkIdentifier(flags.namespace);
  checkIdentifier(flags.id);
  const bundle = flags.bundle || process.cwd();
  const asked = parseAsked(readStdin(), flags.id, flags.namespace);
  const address = flags.address || asked.grpc;
  const group = groupOf(bundle, flags.id);
  const path = shimSocket(address, flags.namespace, group);
  const listener = listen(path);
  if (listener) {
    using _ = listener;
    const ttrpc = process.env["TTRPC_ADDRESS"] || asked.ttrpc;
    const pid = spawnServing(flags, calledAs, {
      ...{ bundle, address, ttrpc, listener },
      socket: group === flags.id ? undefined : path,
    });
    const { shimCgroup } = asked.runc;
    if (shimCgroup)
      try {
        (await import("./shim-cgroup.ts")).joinCgroup(shimCgroup, pid);
      } catch (error) {
        process.kill(pid, "SIGKILL");
        removeFile(path);
        throw error;
      }
  }
  writeText(`${bundle}/address`, `unix://${path}`);
  print(answer(`unix://${path}`, asked, process.env["MAX_SHIM_VERSION"]));
  return 0;
}

interface Serving {
  bundle: string;
  address: string;
  ttrpc: string;
  listener: Fd;
  /** Where it listens, when that does not follow from its own id. */
  socket: string | undefined;
}

/** The process that stays. Returns its pid. */
function spawnServing(flags: Flags, calledAs: string, serving: Serving): number {
  const { bundle, address, ttrpc, listener, socket } = serving;
  using logFifo = openLog(bundle);
  const output = logFifo?.number ?? "ignore";
  const { cmd, argv0 } = selfCommand(calledAs);
  const child = Bun.spawn(
    [
      ...cmd,
      ...["-namespace", flags.namespace, "-id", flags.id, "-address", address],
      ...["-publish-binary", flags.publishBinary, "-bundle", bundle],
      ...(socket === undefined ? [] : ["-socket", socket]),
      ...(flags.debug ? ["-debug"] : []),
    ],
    {
      argv0,
      cwd: bundle,
      env: childEnvironment(ttrpc ? { TTRPC_ADDRESS: ttrpc } : {}),
      stdio: ["ignore", output, output, listener.number],
      detached: true, // a session of its own: no terminal, no signal of containerd's reaches it
    },
  );
  child.unref();
  adjustOomScore(child.pid);
  writeText(`${bundle}/shim.pid`, String(child.pid));
  return child.pid;
}

/** The shim shall be killed for memory before containerd is, and after its container. */
function adjustOomScore(pid: number): void {
  try {
    const parent = Number(readText(`/proc/${process.ppid}/oom_score_adj`));
    writeText(`/proc/${pid}/oom_score_adj`, String(Math.min(parent + 1, 1000)));
  } catch {
    // It has ended already, which the first call on its socket will tell.
  }
}

/** What containerd sends: a pipe's content, or a file's. Nothing where stdin is something else. */
export function readStdin(): Uint8Array {
  const parts: Uint8Array[] = [];
  try {
    const { type } = statOf(`/proc/self/fd/${STDIN}`);
    if (type !== S_IFIFO && type !== S_IFREG) return new Uint8Array();
  } catch {
    return new Uint8Array();
  }
  for (;;) {
    const part = new Uint8Array(4096);
    const got = read(STDIN, part);
    if (got === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, got));
  }
}
