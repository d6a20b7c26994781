// The time in which a shim process is the shim of one container, or of a group's.
import { parentOf, removeFile } from "../../../ffi/path.ts";
import { becomeSubreaper } from "../../../ffi/wait.ts";
import { log } from "../../observe/log.ts";
import { TaskV2, TaskV3 } from "../../wire/ttrpc/messages/task.ts";
import type { TtrpcServer } from "../../wire/ttrpc/server.ts";
import { shimSocket } from "../../wire/ttrpc/shim-address.ts";
import { ShimControl } from "../../wire/ttrpc/shim-control.ts";
import { Control } from "./control.ts";
import type { Exits } from "./exits.ts";
import type { Flags } from "./flags.ts";
import type { LoadResident } from "./oci/own.ts";
import { Publisher } from "./publisher.ts";
import { TaskService } from "./service.ts";
import { Sleeper } from "./sleep/sleeper.ts";

/** The descriptor of the socket that a shim listens on. */
export const LISTENER = 3;
/** How long the last events may take to be delivered before the shim ends anyway. */
export const FLUSH = 5000;

/** Makes the process one that stays: no signal but SIGKILL ends it, orphans of its container become its children. */
export function keepProcess(): void {
  becomeSubreaper();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});
  // Whatever goes wrong in one request or stream: the container's keeper stays.
  process.on("unhandledRejection", (error) => log("error", "unhandled failure", { error }));
  process.on("uncaughtException", (error) => log("error", "unhandled failure", { error }));
}

/** What is the process's own, whosever shim it is. */
export interface Process {
  server: TtrpcServer;
  exits: Exits;
  resident: LoadResident | undefined;
}

export class Session {
  /** Where it listens. */
  readonly socket: string;
  readonly publisher: Publisher;
  readonly sleeper: Sleeper;
  #service: TaskService;
  #over = Promise.withResolvers<void>();

  /** Answers from now on over every connection that `server` has. */
  constructor(
    flags: Flags,
    private readonly process: Process,
  ) {
    const { server, exits, resident } = process;
    this.socket = flags.socket || shimSocket(flags.address, flags.namespace, flags.id);
    const ttrpcAddress = globalThis.process.env["TTRPC_ADDRESS"] || `${flags.address}.ttrpc`;
    const publisher = new Publisher(flags.namespace, ttrpcAddress);
    this.publisher = publisher;
    const service = new TaskService({
      namespace: flags.namespace,
      runtimeRoot: `${parentOf(flags.address.replace(/^unix:\/\//, ""))}/runc`,
      exits,
      publisher,
      resident,
      onShutdown: this.#over.resolve,
      onConnect: () => void control.lookForNewer(),
    });
    this.#service = service;
    server.register(TaskV2, service.handlers, ["wait"]).register(TaskV3, service.handlers, ["wait"]);
    this.sleeper = new Sleeper({ listener: LISTENER, server, service, publisher, exits });
    const control = new Control(this.sleeper);
    server.register(ShimControl, control.handlers, ["version"]);
  }

  /** Listens, and sleeps when there is nothing to do. */
  serve(): void {
    this.process.server.listen({ fd: LISTENER });
    this.sleeper.watch();
  }

  /** Whether it keeps nothing. */
  get empty(): boolean {
    return this.#service.empty;
  }

  /** Resolves when containerd says that the shim may end, and nothing is left to keep. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Lets go of what is its own. */
  stop(): void {
    this.sleeper.stop();
    this.publisher.close();
  }
}

/** Ends the process: the last events are delivered, the socket goes. */
export async function endProcess({ publisher, socket }: Session, server: TtrpcServer): Promise<never> {
  const lost = await publisher.flush(FLUSH);
  if (lost > 0) log("error", "events could not be delivered", { lost });
  removeFile(socket);
  server.close();
  process.exit(0);
}
