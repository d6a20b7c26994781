// When the shim sleeps, and how it is itself again.
import { F_SETFD, FD_CLOEXEC } from "../../../../ffi/constants/fcntl.ts";
import { SFD_CLOEXEC, SIGCHLD } from "../../../../ffi/constants/signal.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { giveBack } from "../../../../ffi/give-back.ts";
import { syscall } from "../../../../ffi/libc.ts";
import { log } from "../../../observe/log.ts";
import type { TtrpcServer } from "../../../wire/ttrpc/server.ts";
import { lastMoment } from "../activity.ts";
import type { Exits } from "../exits.ts";
import type { Publisher } from "../publisher.ts";
import type { TaskService } from "../service.ts";
import { watchOom } from "./oom-watch.ts";
import { descriptors, readState, type ShimState, STATE_FORMAT, writeState } from "./state.ts";

export interface Parts {
  listener: number;
  server: TtrpcServer;
  service: TaskService;
  publisher: Publisher;
  exits: Exits;
}

/** Milliseconds without a reason to be awake after which the shim sleeps; more for one that is woken all the time. */
const PATIENCE = 2000;
const MAX_PATIENCE = 60_000;
/** How often events for a containerd that is away are tried from sleep. */
const RETRY = 30_000;
/** Out-of-memory kills are looked for so often while the shim is awake; asleep the kernel tells. */
const OOM_LOOK = 1000;

export class Sleeper {
  #patience: number;
  #complained = false;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #stopped = false;
  /** Fixed by BUNKER_SHIM_IDLE (for tests and those who want none: 0). */
  readonly #fixed: number | undefined;

  constructor(private readonly parts: Parts) {
    const asked = process.env["BUNKER_SHIM_IDLE"];
    this.#fixed = asked !== undefined && /^\d+$/.test(asked) ? Number(asked) : undefined;
    this.#patience = this.#fixed ?? PATIENCE;
  }

  /** Goes on with a saved state; `from` is what `become` left in the environment. */
  async resume(from: string): Promise<void> {
    const [first, second, kept = ""] = from.split(":");
    const fd = Number(first);
    const before = second === undefined ? undefined : Number(second);
    using memory = new Fd(fd, "shim state");
    const state = await this.#read(memory, before, kept.split(",").filter(Boolean).map(Number));
    if (before !== undefined) new Fd(before).close();
    const { service, publisher, server, exits } = this.parts;
    // What came through execve shall not reach any child.
    for (const each of [...descriptors(state).keep, fd])
      syscall("fcntl", "an inherited descriptor", each, F_SETFD, FD_CLOEXEC);
    for (const each of state.temporary) new Fd(each).close();
    if (this.#fixed === undefined) {
      // Woken again so soon: sleeping costs more than it saves.
      const early = Date.now() - state.asleepSince < state.patience;
      this.#patience = early ? Math.min(2 * state.patience, MAX_PATIENCE) : PATIENCE;
    }
    service.restore(state.containers);
    publisher.restore(state.events);
    exits.collect();
    for (const container of service.containers) container.lookForOom();
    for (const each of state.connections) await server.adopt(each);
  }

  /** A state that this version cannot read goes to the one before, whose program is still open. */
  async #read(memory: Fd, before: number | undefined, kept: readonly number[]): Promise<ShimState> {
    try {
      return readState(memory);
    } catch (error) {
      if (before === undefined) throw error;
      log("error", "going back to the version before", { error });
      const { giveBack } = await import("./become.ts");
      return giveBack(memory.number, before, kept);
    }
  }

  /** From now on: sleeps when nothing has happened for a while. */
  watch(): void {
    this.#timers[0] = setInterval(() => {
      for (const container of this.parts.service.containers) container.lookForOom();
    }, OOM_LOOK);
    const never = this.#patience === 0;
    let seen = lastMoment();
    let tidied = -1;
    const look = async () => {
      const now = lastMoment();
      if (now === seen && !never) await this.sleep();
      // It stays awake, but quiet: what the last work left in the heap goes, once.
      if (now === seen && now !== tidied) {
        tidied = now;
        giveBack();
      }
      seen = now;
      if (!this.#stopped) this.#timers[1] = setTimeout(look, never ? PATIENCE : this.#patience);
    };
    this.#timers[1] = setTimeout(look, never ? PATIENCE : this.#patience);
  }

  /** Neither looks nor sleeps any more: the process has no container. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** The shim's state with what wakes it; undefined while something is under way. */
  #save(): { state: ShimState; keep: number[]; wakers: number[] } | undefined {
    const { service, publisher, server, exits, listener } = this.parts;
    if (this.#stopped || !exits.idle) return undefined;
    const connections = server.save();
    const events = publisher.save();
    const containers = service.save();
    if (!connections || !events || !containers) return undefined;
    const state: ShimState = {
      ...{ format: STATE_FORMAT, containers, connections, events },
      ...{ temporary: [], patience: this.#patience, asleepSince: Date.now() },
    };
    const { keep, wakers } = descriptors(state);
    return { state, keep: [...keep, listener], wakers: [...wakers, listener] };
  }

  /** Becomes the waiting ELF when nothing is under way; else, or when that fails, returns. */
  async sleep(): Promise<void> {
    // The assembler is not loaded by a shim that never gets to sleep.
    const { become } = await import("./become.ts");
    const saved = this.#save();
    if (!saved) return;
    const { state, keep, wakers } = saved;
    const temporary: Fd[] = [];
    try {
      temporary.push(childSignals());
      for (const container of this.parts.service.containers) {
        const watch = container.watched && watchOom(container.watched);
        if (watch) temporary.push(watch);
        // What happened before the watch began.
        container.lookForOom();
      }
      if (this.parts.publisher.busy) return;
      state.temporary = temporary.map((each) => each.number);
      using memory = writeState(state);
      become({
        state: memory,
        keep: [...keep, ...state.temporary],
        wakers: [...wakers, ...state.temporary],
        timeout: state.events.length > 0 ? RETRY : undefined,
      });
    } catch (error) {
      // Where memory cannot be executed (vm.memfd_noexec, a security module) it never will: said once, tried seldom.
      if (!this.#complained) log("warning", "the shim cannot sleep", { error });
      this.#complained = true;
      this.#patience = this.#fixed ?? MAX_PATIENCE;
    } finally {
      for (const each of temporary) each.close();
    }
  }

  /** Becomes `program` with everything that is kept. Returns when something is under way: ask again. Throws when it cannot. */
  async upgrade(program: string): Promise<void> {
    const { become } = await import("./become.ts");
    const saved = this.#save();
    if (!saved || this.parts.publisher.busy) return;
    // No sleep that was too short, but none at all.
    saved.state.asleepSince = 0;
    using memory = writeState(saved.state);
    become({ ...saved, state: memory, timeout: 0, program });
  }
}

/** Readable when a child has ended. */
function childSignals(): Fd {
  const set = new BigUint64Array([1n << BigInt(SIGCHLD - 1)]);
  return new Fd(syscall("signalfd4", "SIGCHLD", -1, set, 8, SFD_CLOEXEC), "SIGCHLD");
}
