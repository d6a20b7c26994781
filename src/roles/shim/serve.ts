// The serving shim: started by `start` with the listening socket as descriptor 3. It ends when containerd says so and
// nothing is left to keep; until then no signal but SIGKILL ends it.
import { F_SETFD, FD_CLOEXEC } from "../../../ffi/constants/fcntl.ts";
import { syscall } from "../../../ffi/libc.ts";
import { log } from "../../observe/log.ts";
import { TtrpcServer } from "../../wire/ttrpc/server.ts";
import { touch } from "./activity.ts";
import { Exits } from "./exits.ts";
import type { Flags } from "./flags.ts";
import type { LoadResident } from "./oci/own.ts";
import { endProcess, keepProcess, LISTENER, Session } from "./session.ts";
import { RESUME } from "./sleep/state.ts";

export async function serve(flags: Flags, resident: LoadResident | undefined): Promise<number> {
  try {
    if (flags.bundle) process.chdir(flags.bundle);
  } catch (error) {
    // The keeper of a group lives on when the bundle that it began in has gone.
    if (process.env[RESUME] === undefined) throw error;
  }
  keepProcess();
  syscall("fcntl", "the listening socket (descriptor 3)", LISTENER, F_SETFD, FD_CLOEXEC);
  const exits = new Exits();
  const server = new TtrpcServer((error) => log("warning", "a connection was ended", { error }), touch);
  const session = new Session(flags, { server, exits, resident });
  const resumed = process.env[RESUME];
  delete process.env[RESUME];
  if (resumed !== undefined) await session.sleeper.resume(resumed);
  session.serve();
  await session.over;
  return endProcess(session, server);
}
