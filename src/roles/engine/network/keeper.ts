// The engine's side of the network keeper: started when it is first needed, found again by an engine that comes later.
import { chmodSync, closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { answersUnix, listenUnix } from "../../../../ffi/socket.ts";
import { log } from "../../../observe/log.ts";
import { childEnvironment, selfCommand } from "../../../self.ts";
import type { KeeperReply, KeeperRequest } from "../../../wire/keeper/protocol.ts";
import { KEEPER_SOCKET } from "../../../wire/keeper/record.ts";

/** A keeper that takes longer is not waited for; containers start without names then, and the log says so. */
const PATIENCE_MS = 5000;
/** A keeper that died is started again after this pause. */
const AGAIN_MS = 200;

const GONE = "the keeper went away";

type Asked = { verb: "hello" } | { verb: "changed"; endpoints: string[] };

interface Talk {
  rest: string;
}

export class Keeper {
  readonly #path: string;
  #connection: Promise<Bun.Socket<Talk>> | undefined;
  readonly #pending = new Map<number, (reply: KeeperReply) => void>();
  #serial = 0;
  #needed = false;
  #stopped = false;

  constructor(readonly execRoot: string) {
    this.#path = join(execRoot, KEEPER_SOCKET);
  }

  /** Takes up a keeper that is there; starts one when `needed`. A failure is logged: the engine comes up without names. */
  async start(needed: boolean): Promise<void> {
    if (!needed && !this.#answers()) return;
    this.#needed = needed;
    await this.#ask({ verb: "hello" });
  }

  /** These endpoints were written or removed. Resolves when names and relays are as they are to be, or the log says why not. */
  async changed(endpoints: string[]): Promise<void> {
    this.#needed = true;
    await this.#ask({ verb: "changed", endpoints });
  }

  /** The keeper goes on as long as it has something to keep. */
  async stop(needed: boolean): Promise<void> {
    this.#stopped = true;
    this.#needed = needed;
    const socket = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    socket?.end();
  }

  #answers(): boolean {
    try {
      return answersUnix(this.#path);
    } catch {
      return false;
    }
  }

  /** A keeper that was about to end as we came is asked again: the next one. */
  async #ask(request: Asked, again = true): Promise<void> {
    try {
      this.#connection ??= this.#connect();
      const socket = await this.#connection;
      const id = ++this.#serial;
      const reply = await new Promise<KeeperReply>((resolve, reject) => {
        const timer = setTimeout(() => {
          this.#pending.delete(id);
          reject(new Error(`no answer within ${PATIENCE_MS / 1000} seconds`));
        }, PATIENCE_MS);
        this.#pending.set(id, (answer) => {
          clearTimeout(timer);
          this.#pending.delete(id);
          resolve(answer);
        });
        socket.write(`${JSON.stringify({ id, ...request } satisfies KeeperRequest)}\n`);
      });
      if (reply.error === GONE && again && !this.#stopped) return await this.#ask(request, false);
      if (reply.error !== undefined) throw new Error(reply.error);
    } catch (error) {
      log("error", "the network keeper could not do all it should; names may not resolve", { error });
    }
  }

  async #connect(): Promise<Bun.Socket<Talk>> {
    this.#spawnUnlessThere();
    const pending = this.#pending;
    try {
      return await Bun.connect<Talk>({
        unix: this.#path,
        data: { rest: "" },
        socket: {
          data(socket, bytes) {
            const lines = (socket.data.rest + Buffer.from(bytes).toString("utf8")).split("\n");
            socket.data.rest = lines.pop()!;
            for (const line of lines) {
              const reply = JSON.parse(line) as KeeperReply;
              pending.get(reply.id)?.(reply);
            }
          },
          close: () => this.#lost(),
          error() {},
        },
      });
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }

  /** It died, or was killed: what it kept is in files, and another one takes it up. */
  #lost(): void {
    this.#connection = undefined;
    for (const [id, tell] of this.#pending) tell({ id, error: GONE });
    if (this.#stopped || !this.#needed) return;
    log("warning", "the network keeper is gone and is started again");
    setTimeout(() => {
      if (!this.#stopped) void this.#ask({ verb: "hello" });
    }, AGAIN_MS);
  }

  /** The socket is made here and inherited, so that whoever connects need not wait for the keeper to be up. */
  #spawnUnlessThere(): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o711 });
    let listener: Fd | undefined;
    for (let attempt = 0; !listener; attempt++) {
      try {
        listener = listenUnix(this.#path);
      } catch (error) {
        if (!isErrno(error, "EADDRINUSE") || attempt === 3) throw error;
        if (answersUnix(this.#path)) return;
        rmSync(this.#path, { force: true });
      }
    }
    using _ = listener;
    chmodSync(this.#path, 0o600);
    const { cmd, argv0 } = selfCommand("network-keeper");
    const errors = openSync(join(this.execRoot, "network", "keeper.log"), "a", 0o600);
    const child = Bun.spawn([...cmd, "--exec-root", this.execRoot], {
      argv0,
      cwd: "/",
      env: childEnvironment(),
      stdio: ["ignore", "ignore", errors, listener.number],
      // A session of its own: no signal of the engine's reaches it.
      detached: true,
    });
    closeSync(errors);
    child.unref();
  }
}
