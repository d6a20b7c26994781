// `start`: containerd runs it in the bundle and reads the address of the shim that now serves.
// The listening socket is made here and inherited, so the answer need not wait for the serving process to be up.
import { AT_FDCWD, O_NONBLOCK, O_RDWR, S_IFIFO } from "../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../ffi/errno.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { fchmodat, open } from "../../../ffi/file.ts";
import { print } from "../../../ffi/output.ts";
import { makeDirectories, parentOf, readBytes, readText, removeAll, writeText } from "../../../ffi/path.ts";
import { answersUnix, listenUnix } from "../../../ffi/socket.ts";
import { statAt } from "../../../ffi/tree.ts";
import { traced } from "../../observe/trace.ts";
import { childEnvironment, selfCommand } from "../../self.ts";
import { decode } from "../../wire/ttrpc/codec.ts";
import { Any } from "../../wire/ttrpc/messages/well-known.ts";
import { shimSocket } from "./address.ts";
import type { Flags } from "./flags.ts";
import { checkIdentifier } from "./identifier.ts";
import { runcOptions } from "./runtime-options.ts";

/** The newest task service that this shim speaks. */
const TASK_VERSION = 3;

export async function start(flags: Flags, calledAs: string): Promise<number> {
  return traced("shim", "bootstrap", flags.id, () => startShim(flags, calledAs));
}

function startShim(flags: Flags, calledAs: string): number {
  checkIdentifier(flags.namespace);
  checkIdentifier(flags.id);
  const bundle = flags.bundle || process.cwd();
  const asked = readStdin(flags.id);
  const path = shimSocket(flags.address, flags.namespace, flags.id);
  const address = `unix://${path}`;
  const listener = listen(path);
  if (listener) {
    using _ = listener;
    using logFifo = openLog(bundle);
    const output = logFifo?.number ?? "ignore";
    const { cmd, argv0 } = selfCommand(calledAs);
    const child = Bun.spawn(
      [
        ...cmd,
        ...["-namespace", flags.namespace, "-id", flags.id, "-address", flags.address],
        ...["-publish-binary", flags.publishBinary, "-bundle", bundle],
        ...(flags.debug ? ["-debug"] : []),
      ],
      {
        argv0,
        cwd: bundle,
        env: childEnvironment(),
        stdio: ["ignore", output, output, listener.number],
        detached: true, // a session of its own: no terminal, no signal of containerd's reaches it
      },
    );
    child.unref();
    adjustOomScore(child.pid);
    writeText(`${bundle}/shim.pid`, String(child.pid));
  }
  writeText(`${bundle}/address`, address);
  print(answer(address, asked));
  return 0;
}

/** A listening socket at `path`; undefined when a living shim already has it. A dead one's is replaced. */
function listen(path: string): Fd | undefined {
  makeDirectories(parentOf(path), 0o711);
  for (;;) {
    try {
      const fd = listenUnix(path);
      fchmodat(AT_FDCWD, path, 0o600);
      return fd;
    } catch (error) {
      if (!isErrno(error, "EADDRINUSE")) throw error;
      if (answersUnix(path)) return undefined;
      removeAll(path);
    }
  }
}

/** containerd's log FIFO of the bundle, for our stderr. Opened so that nobody's absence blocks or kills. */
function openLog(bundle: string): Fd | undefined {
  const path = `${bundle}/log`;
  try {
    return statAt(AT_FDCWD, path)?.type === S_IFIFO ? open(path, O_RDWR | O_NONBLOCK) : undefined;
  } catch {
    return undefined;
  }
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

/** What containerd sends on stdin: runtime options (to 2.2), or BootstrapParams (2.3 on), whose first field is the id. */
function readStdin(id: string): { bootstrap: boolean } {
  try {
    if (statAt(0, "")?.type !== S_IFIFO) return { bootstrap: false };
  } catch {
    return { bootstrap: false };
  }
  const bytes = readBytes(0);
  if (bytes.length === 0) return { bootstrap: false };
  const any = decode(Any, bytes);
  if (any.typeUrl === id) return { bootstrap: true };
  const { shimCgroup } = runcOptions(any);
  if (shimCgroup) throw new Error(`shim_cgroup ${shimCgroup}: not supported`);
  return { bootstrap: false };
}

/** The address alone for containerd 1.6 and before; JSON for those that name the version they can speak. */
function answer(address: string, asked: { bootstrap: boolean }): string {
  const newest = Number(process.env["MAX_SHIM_VERSION"] ?? (asked.bootstrap ? TASK_VERSION : 0));
  if (!(newest >= 2)) return address;
  return JSON.stringify({ version: Math.min(newest, TASK_VERSION), address, protocol: "ttrpc" });
}
