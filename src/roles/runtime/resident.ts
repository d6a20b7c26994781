// The runtime in somebody else's process: the verbs of a container's life without a command line, for a shim that lives longer
// than any of them. What the program `runc` leaves to the end of its process is done here: descriptors are closed, nothing is
// waited for without the others of the process being served, and the process's own streams, environment and directory are not
// the container's.
import { O_RDWR } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { open } from "../../../ffi/file.ts";
import type { Config } from "../../spec/oci/runtime.ts";
import type { CreateCall, ExecCall, ResidentRuntime, StdioFds, Warn } from "../../wire/oci/resident.ts";
import { connectConsole } from "./container/console-socket.ts";
import { checkExecutable, execInContainer, processFrom } from "./container/exec.ts";
import type { Stdio } from "./container/given.ts";
import { destroyContainer, ownsPids } from "./container/kill.ts";
import { launchContainer, readBundle } from "./container/launch.ts";
import { needsPreparing } from "./container/rare.ts";
import { startContainer } from "./container/start.ts";
import { type ContainerState, StateStore } from "./container/state.ts";
import { containerStatus } from "./container/status.ts";
import { framed } from "./frame.ts";
import { checkConsole } from "./verbs/launching.ts";

/** Whether a program of somebody else's has a part in a container's life, or something that works on the whole process. */
function wantsProcess({ hooks, linux, mounts }: Config): boolean {
  return (
    (hooks !== undefined && Object.values(hooks).some((list) => list?.length)) ||
    !!linux?.seccomp?.listenerPath ||
    !!linux?.intelRdt ||
    (linux?.netDevices !== undefined && Object.keys(linux.netDevices).length > 0) ||
    !!linux?.namespaces?.some(({ type }) => type === "user") ||
    !!mounts?.some(needsPreparing)
  );
}

const stateWantsProcess = (state: ContainerState) =>
  state.systemd_unit !== undefined || wantsProcess(state.config);

/** Descriptors for the launcher; `using` closes what was opened for it. */
class Given implements Disposable {
  readonly stdio: Stdio;
  readonly console: Fd | undefined;
  readonly #opened: Fd[] = [];

  constructor(stdio: StdioFds, consoleSocket: string | undefined) {
    try {
      const all = stdio.map((fd) => (fd === "ignore" ? this.#null() : fd));
      this.stdio = all as unknown as Stdio;
      this.console = consoleSocket === undefined ? undefined : connectConsole(consoleSocket);
      if (this.console) this.#opened.push(this.console);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #null(): number {
    this.#opened[0] ??= open("/dev/null", O_RDWR);
    return this.#opened[0].number;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened) fd.close();
  }
}

class Resident implements ResidentRuntime {
  constructor(
    private readonly store: StateStore,
    private readonly warn: Warn,
  ) {}

  create(call: CreateCall): Promise<number> | undefined {
    // By name in the process's directory: that of the command line, not of this one.
    if (call.consoleSocket !== undefined && !call.consoleSocket.startsWith("/")) return undefined;
    let config: Config;
    try {
      config = readBundle(call.bundle);
    } catch (error) {
      return framed("runc create failed", () => Promise.reject(error));
    }
    return wantsProcess(config) ? undefined : framed("runc create failed", () => this.#create(call, config));
  }

  async #create(call: CreateCall, config: Config): Promise<number> {
    const { id, bundle, stdio, consoleSocket, pidFile, noPivot, noNewKeyring } = call;
    checkConsole(config.process?.terminal ?? false, consoleSocket);
    using given = new Given(stdio, consoleSocket);
    const launched = await launchContainer({
      ...{ id, bundle, config, pidFile, noPivot, noNewKeyring },
      ...{ store: this.store, stdio: given.stdio, console: given.console, warn: this.warn },
      ...{
        waitForStart: true,
        rootless: undefined,
        systemd: false,
        preserveFds: 0,
        listenFds: 0,
        planOnly: false,
      },
    });
    launched!.begin();
    return launched!.state.init_process_pid;
  }

  start(id: string): Promise<void> | undefined {
    const state = this.store.read(id);
    return stateWantsProcess(state) ? undefined : startContainer(this.store, state);
  }

  exec(call: ExecCall): Promise<number> | undefined {
    if (call.consoleSocket !== undefined && !call.consoleSocket.startsWith("/")) return undefined;
    let state: ContainerState;
    try {
      state = this.store.read(call.id);
    } catch (error) {
      return framed("exec failed", () => Promise.reject(error));
    }
    return stateWantsProcess(state) ? undefined : framed("exec failed", () => this.#exec(call, state));
  }

  async #exec({ process: json, stdio, consoleSocket }: ExecCall, state: ContainerState): Promise<number> {
    checkExecutable(containerStatus(this.store, state), false);
    const process = processFrom(new TextDecoder().decode(json), "process document");
    checkConsole(process.terminal ?? false, consoleSocket);
    using given = new Given(stdio, consoleSocket);
    const executed = await execInContainer({
      ...{ state, process, stdio: given.stdio, console: given.console, warn: this.warn },
      ...{ root: this.store.root, preserveFds: 0, cgroups: undefined, planOnly: false },
    });
    executed!.begin();
    return executed!.pid;
  }

  delete(id: string): Promise<void> | undefined {
    const state = this.store.read(id);
    // What would have to be killed first is waited for, in a process that can wait.
    if (stateWantsProcess(state) || !ownsPids(state) || state.init_process_pid === 0) return undefined;
    if (containerStatus(this.store, state) !== "stopped") return undefined;
    return destroyContainer(this.store, state);
  }
}

/** The runtime for containers whose states lie below `root`. `warn` takes what the program would log as warnings. */
export const residentRuntime = (root: string, warn: Warn): ResidentRuntime =>
  new Resident(new StateStore(root), warn);
