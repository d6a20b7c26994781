// The serving shim: started by `start` with the listening socket as descriptor 3. It ends when containerd says so and
// nothing is left to keep; until then no signal but SIGKILL ends it.
import { F_SETFD, FD_CLOEXEC } from "../../../ffi/constants/fcntl.ts";
import { syscall } from "../../../ffi/libc.ts";
import { parentOf, removeFile } from "../../../ffi/path.ts";
import { becomeSubreaper } from "../../../ffi/wait.ts";
import { log } from "../../observe/log.ts";
import { TaskV2, TaskV3 } from "../../wire/ttrpc/messages/task.ts";
import { TtrpcServer } from "../../wire/ttrpc/server.ts";
import { shimSocket } from "../../wire/ttrpc/shim-address.ts";
import { ShimControl } from "../../wire/ttrpc/shim-control.ts";
import { touch } from "./activity.ts";
import { Control } from "./control.ts";
import { Exits } from "./exits.ts";
import type { Flags } from "./flags.ts";
import type { LoadResident } from "./oci/own.ts";
import { Publisher } from "./publisher.ts";
import { TaskService } from "./service.ts";
import { Sleeper } from "./sleep/sleeper.ts";
import { RESUME } from "./sleep/state.ts";

const LISTENER = 3;
/** How long the last events may take to be delivered before the shim ends anyway. */
const FLUSH = 5000;

export async function serve(flags: Flags, resident: LoadResident | undefined): Promise<number> {
  try {
    if (flags.bundle) process.chdir(flags.bundle);
  } catch (error) {
    // The keeper of a group lives on when the bundle that it began in has gone.
    if (process.env[RESUME] === undefined) throw error;
  }
  becomeSubreaper();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});
  // Whatever goes wrong in one request or stream: the container's keeper stays.
  process.on("unhandledRejection", (error) => log("error", "unhandled failure", { error }));
  process.on("uncaughtException", (error) => log("error", "unhandled failure", { error }));
  syscall("fcntl", "the listening socket (descriptor 3)", LISTENER, F_SETFD, FD_CLOEXEC);

  const socket = flags.socket || shimSocket(flags.address, flags.namespace, flags.id);
  const exits = new Exits();
  const ttrpcAddress = process.env["TTRPC_ADDRESS"] || `${flags.address}.ttrpc`;
  const publisher = new Publisher(flags.namespace, ttrpcAddress);
  const over = Promise.withResolvers<void>();
  const service = new TaskService({
    namespace: flags.namespace,
    runtimeRoot: `${parentOf(flags.address.replace(/^unix:\/\//, ""))}/runc`,
    exits,
    publisher,
    resident,
    onShutdown: over.resolve,
    onConnect: () => void control.lookForNewer(),
  });
  const server = new TtrpcServer((error) => log("warning", "a connection was ended", { error }), touch);
  server.register(TaskV2, service.handlers, ["wait"]).register(TaskV3, service.handlers, ["wait"]);
  const sleeper = new Sleeper({ listener: LISTENER, server, service, publisher, exits });
  const control = new Control(sleeper);
  server.register(ShimControl, control.handlers, ["version"]);
  const resumed = process.env[RESUME];
  delete process.env[RESUME];
  if (resumed !== undefined) await sleeper.resume(resumed);
  server.listen({ fd: LISTENER });
  sleeper.watch();

  await over.promise;
  const lost = await publisher.flush(FLUSH);
  if (lost > 0) log("error", "events could not be delivered", { lost });
  removeFile(socket);
  server.close();
  process.exit(0);
}
