// One shim as containerd holds it: started or found again, called over ttrpc, cleaned up after.
import { log } from "../../../observe/log.ts";
import { childEnvironment } from "../../../self.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { TtrpcClient } from "../../../wire/ttrpc/client.ts";
import { decode, type Message } from "../../../wire/ttrpc/codec.ts";
import { DeleteResponse, TaskV2, TaskV3 } from "../../../wire/ttrpc/messages/task.ts";
import type { Caller } from "../../../wire/ttrpc/service.ts";
import { shimSocket } from "../../../wire/ttrpc/shim-address.ts";
import { within } from "../../../within.ts";
import type { Bootstrap, Bundle } from "./bundle.ts";
import { isOwnShim, shimCommand } from "./runtime.ts";
import { ShimLog } from "./shim-log.ts";
import type { WaitingShims } from "./waiting-shims.ts";

/** What is the same for every shim of one containerd. */
export interface ShimSurroundings {
  /** containerd's gRPC address. */
  address: string;
  ttrpcAddress: string;
  /** Shims of ours that have no container. */
  waiting: WaitingShims;
}

/** The newest task service that is spoken here. */
const TASK_VERSION = 3;
/** For calls that only ask; what acts on a container may take its time. */
export const QUICK = 5000;
const SHUTDOWN_WAIT = 5000;

/** What `start` printed: an address, or the JSON of newer shims. */
export function parseBootstrap(output: string): Bootstrap {
  const text = output.trim();
  if (!text.startsWith("{")) return { version: 2, address: text, protocol: "ttrpc" };
  const { version, address, protocol } = JSON.parse(text) as Bootstrap;
  if (protocol !== "ttrpc")
    throw new ServiceError(
      "Unimplemented",
      `shim protocol ${JSON.stringify(protocol)} is not supported, ttrpc is`,
    );
  if (version > TASK_VERSION)
    throw new ServiceError("Unimplemented", `shim version ${version} is not supported, ${TASK_VERSION} is`);
  return { version, address, protocol };
}

/** Those that this process holds: several of a sandbox may be one process. */
const held = new Set<Shim>();

export class Shim {
  readonly task: Caller<typeof TaskV2>;
  #log: ShimLog;
  #unheard = () => {};

  private constructor(
    readonly namespace: string,
    readonly id: string,
    readonly runtime: string,
    readonly bundle: Bundle,
    readonly bootstrap: Bootstrap,
    private readonly client: TtrpcClient,
    log: ShimLog,
    /** Where it may wait for another container. */
    private readonly waiting?: WaitingShims,
  ) {
    this.task = client.service(bootstrap.version >= 3 ? TaskV3 : TaskV2);
    this.#log = log;
    held.add(this);
  }

  /** `shim start`: a new shim for a new bundle. */
  static async start(
    namespace: string,
    id: string,
    runtime: string,
    bundle: Bundle,
    around: ShimSurroundings,
    options: Uint8Array | undefined,
    /** It shares its shim with no other container, and the shim is in this daemon's cgroup. */
    standsAlone: boolean,
  ): Promise<Shim> {
    const shimLog = new ShimLog(bundle.logPath);
    try {
      bundle.intend(runtime);
      if (isOwnShim(runtime) && standsAlone) {
        const adopting = around.waiting
          .adopt({ namespace, id, bundle: bundle.path })
          .catch((error: unknown) => log("warning", "a shim is started the long way", { id, error }));
        // Written while the shim makes its socket: where that will be is known.
        const address = `unix://${shimSocket(around.address, namespace, id)}`;
        const bootstrap = { version: TASK_VERSION, address, protocol: "ttrpc" };
        bundle.save(bootstrap);
        const adopted = await adopting;
        if (adopted) {
          const { client } = adopted;
          if (adopted.address !== address) {
            bootstrap.address = adopted.address;
            bundle.save(bootstrap);
          }
          return new Shim(namespace, id, runtime, bundle, bootstrap, client, shimLog, around.waiting);
        }
      }
      const output = await action("start", namespace, id, runtime, bundle, around, options);
      const bootstrap = parseBootstrap(new TextDecoder().decode(output));
      bundle.save(bootstrap);
      const client = await TtrpcClient.connect(bootstrap.address);
      return new Shim(namespace, id, runtime, bundle, bootstrap, client, shimLog);
    } catch (error) {
      await shimLog.close();
      throw error;
    }
  }

  /** A shim that outlived the containerd that started it. Unavailable when it is gone. */
  static async find(namespace: string, id: string, bundle: Bundle): Promise<Shim> {
    const saved = bundle.saved();
    if (!saved) throw new ServiceError("Unavailable", `shim of ${id}: its bundle names no address`);
    const client = await TtrpcClient.connect(saved.bootstrap.address);
    let shimLog: ShimLog | undefined;
    try {
      shimLog = new ShimLog(bundle.logPath);
      const shim = new Shim(namespace, id, saved.runtime, bundle, saved.bootstrap, client, shimLog);
      await shim.task.connect({ id }, { timeout: QUICK });
      return shim;
    } catch (error) {
      client.close();
      await shimLog?.close();
      throw error;
    }
  }

  /** Resolves when the connection has ended: the shim is gone, or was let go. */
  get gone(): Promise<unknown> {
    return this.client.closed;
  }

  /** Calls back when the connection has ended; never once the shim's process waits for another container. */
  onGone(told: () => void): void {
    this.#unheard = this.client.onClosed(told);
  }

  /** Tells the shim to end, and makes sure of it, unless it keeps other containers of the same sandbox. */
  async shutdown(): Promise<void> {
    if (await this.waiting?.release(this.client)) {
      // The connection goes on, for other containers.
      this.#unheard();
      held.delete(this);
      await this.#log.close();
      return;
    }
    let pid = 0;
    try {
      pid = (await this.task.connect({ id: this.id }, { timeout: QUICK })).shimPid;
      await this.task.shutdown({ id: this.id }, { timeout: QUICK });
    } catch {
      // Gone already, or hung: seen below.
    }
    const { address } = this.bootstrap;
    if ([...held].some((other) => other !== this && other.bootstrap.address === address)) {
      await this.letGo();
      return;
    }
    if (!(await within(SHUTDOWN_WAIT, this.client.closed))) {
      log("warning", "shim did not end, killing it", { id: this.id, pid });
      if (pid > 1) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended meanwhile.
        }
      }
    }
    await this.letGo();
  }

  /** Ends only our side: the shim lives on. */
  async letGo(): Promise<void> {
    held.delete(this);
    this.client.close();
    await this.#log.close();
  }
}

/** Runs one of the shim program's actions in the bundle; returns its stdout. */
async function action(
  name: "start" | "delete",
  namespace: string,
  id: string,
  runtime: string,
  bundle: Bundle,
  { address, ttrpcAddress }: ShimSurroundings,
  stdin?: Uint8Array,
): Promise<Uint8Array> {
  const { cmd, argv0 } = shimCommand(runtime);
  const child = Bun.spawn(
    [
      ...cmd,
      ...["-namespace", namespace, "-address", address, "-publish-binary", process.execPath],
      ...["-id", id, "-bundle", bundle.path, name],
    ],
    {
      argv0,
      cwd: bundle.path,
      env: childEnvironment({
        TTRPC_ADDRESS: ttrpcAddress,
        GRPC_ADDRESS: address,
        NAMESPACE: namespace,
        MAX_SHIM_VERSION: String(TASK_VERSION),
        // containerd's own choice for shims written in Go.
        GOMAXPROCS: "2",
      }),
      stdin: stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new ServiceError("Unknown", `${name} failed: ${stderr.trim()}: exit status ${code}`);
  return stdout;
}

/** `shim delete`: cleans up after a dead shim; returns how its container ended. */
export async function deleteDead(
  namespace: string,
  id: string,
  runtime: string,
  bundle: Bundle,
  around: ShimSurroundings,
): Promise<Message<typeof DeleteResponse>> {
  return decode(DeleteResponse, await action("delete", namespace, id, runtime, bundle, around));
}
