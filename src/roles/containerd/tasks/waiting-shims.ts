// Shims of ours that have no container: started directly, in place of `start` and its two starts of the program, and told over a
// connection of their own whose they are. One is kept ahead while containers come; those whose container was removed wait
// for the next. After a while without a container they go; a daemon that starts none has none.
import { readFileSync } from "node:fs";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from "../../../../ffi/constants/unix.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { syscall } from "../../../../ffi/libc.ts";
import { spawnOrphan } from "../../../launcher/orphan.ts";
import { LONG_LIFE } from "../../../lives.ts";
import { log } from "../../../observe/log.ts";
import { childEnvironment, compiled, selfCommand } from "../../../self.ts";
import { TtrpcClient } from "../../../wire/ttrpc/client.ts";
import { CONNECTION, ShimWaiting, WAIT } from "../../../wire/ttrpc/shim-waiting.ts";

/** How many may wait, and for how long. */
const MOST = 8;
const PATIENCE = 15_000;
/** A new one is started when what made it wanted has had its time on the processor. */
const AHEAD = 40;
/** A process is given up after so many containers. */
const CONTAINERS = 200;
/** Room for the arguments of the container that it will have. */
const ROOM = 2048;
const ADOPTION = 5000;

export interface Adoption {
  namespace: string;
  id: string;
  bundle: string;
}

export class WaitingShims {
  #waiting: { client: TtrpcClient; leave: () => void }[] = [];
  #containers = new WeakMap<TtrpcClient, number>();
  #ahead: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    private readonly name: string,
    private readonly address: string,
    private readonly ttrpcAddress: string,
  ) {}

  /** A shim for a container: its connection, and where it listens. Throws when there is none to be had this way. */
  async adopt(container: Adoption): Promise<{ client: TtrpcClient; address: string }> {
    const client = this.#take() ?? (await this.#start());
    try {
      const { address, ttrpcAddress } = this;
      const own = { address, ttrpcAddress, publishBinary: process.execPath };
      const adopted = await client
        .service(ShimWaiting)
        .adopt({ ...own, ...container }, { timeout: ADOPTION });
      this.#containers.set(client, (this.#containers.get(client) ?? 0) + 1);
      this.#lookAhead();
      return { client, address: adopted.address };
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** The shim's container was deleted: it waits for another. false: it is to be ended as any other. */
  async release(client: TtrpcClient): Promise<boolean> {
    const uses = this.#containers.get(client);
    if (uses === undefined || uses >= CONTAINERS || this.#closed || this.#waiting.length >= MOST)
      return false;
    try {
      await client.service(ShimWaiting).release({}, { timeout: ADOPTION });
    } catch {
      // It slept meanwhile and is a plain shim since, or has something left to do.
      return false;
    }
    if (!client.isOpen) return true;
    if (this.#closed) client.close();
    else this.#keep(client);
    return true;
  }

  #keep(client: TtrpcClient): void {
    const timer = setTimeout(() => client.close(), PATIENCE);
    timer.unref();
    const unheard = client.onClosed(() => {
      clearTimeout(timer);
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
    });
    const leave = () => {
      clearTimeout(timer);
      unheard();
    };
    const waiting = { client, leave };
    this.#waiting.push(waiting);
  }

  /** The one that worked last: what it needs is still at hand. */
  #take(): TtrpcClient | undefined {
    const waiting = this.#waiting.pop();
    waiting?.leave();
    return waiting?.client;
  }

  #lookAhead(): void {
    if (this.#ahead || !compiled) return;
    this.#ahead = setTimeout(async () => {
      try {
        if (this.#waiting.length > 0 || this.#closed) return;
        const client = await this.#start();
        if (this.#closed) client.close();
        else this.#keep(client);
      } catch (error) {
        log("warning", "no shim could be started ahead", { error });
      } finally {
        this.#ahead = undefined;
      }
    }, AHEAD);
    this.#ahead.unref();
  }

  async #start(): Promise<TtrpcClient> {
    const { cmd, argv0 } = selfCommand(this.name);
    const pair = new Int32Array(2);
    syscall("socketpair", "shim", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
    const ours = new Fd(pair[0]!, "shim");
    try {
      using theirs = new Fd(pair[1]!, "shim");
      const stdio = Array.from({ length: CONNECTION }, () => "null" as const);
      // It runs the same code for one container after another: that is worth compiling.
      const environment = childEnvironment({ TTRPC_ADDRESS: this.ttrpcAddress, [LONG_LIFE]: "1" });
      spawnOrphan({
        path: cmd[0]!,
        argv: [argv0, ...cmd.slice(1), "-address", this.address, WAIT, " ".repeat(ROOM)],
        envp: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
        stdio: [...stdio, theirs.number],
        // It shall be killed for memory before this daemon is, and after its container.
        oomScoreAdj: Math.min(Number(readFileSync("/proc/self/oom_score_adj", "utf8")) + 1, 1000),
      });
    } catch (error) {
      ours.close();
      throw error;
    }
    return TtrpcClient.over(ours);
  }

  /** Those that wait go; those that have a container live on. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#ahead);
    for (const { client } of [...this.#waiting]) client.close();
  }
}
