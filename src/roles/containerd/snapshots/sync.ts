// syncfs(2) without stopping the daemon: it can take seconds on a busy disk, and JavaScript has one thread. So a process of
// the launcher's making does it, whose whole program is that one call.
import { arch } from "../../../../ffi/arch/index.ts";
import { O_DIRECTORY, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { open, syncfs } from "../../../../ffi/file.ts";
import { Plan } from "../../../launcher/plan.ts";
import { PlanError, type RunningPlan, spawnPlan } from "../../../launcher/spawn.ts";
import { log } from "../../../observe/log.ts";

const DIRECTORY = 0;

function plan(directory: string): Plan {
  const only = new Plan("syncfs", arch);
  only.call("syncfs", [DIRECTORY], { why: `syncfs ${directory}` });
  only.call("exit_group", [0]);
  return only;
}

/** Makes everything on the file system that holds `directory` durable. Throws with the errno's words. */
export async function syncFilesystem(directory: string): Promise<void> {
  using fd = open(directory, O_RDONLY | O_DIRECTORY);
  let running: RunningPlan;
  try {
    running = spawnPlan(plan(directory), { stdio: [fd.number, 2, 2], argv0: "containerd-syncfs" });
  } catch (error) {
    // No process to be had (EAGAIN, ENOMEM): slow is better than not durable.
    log("warning", "syncfs in a process of its own failed to start", { error });
    syncfs(fd);
    return;
  }
  // The child is unreferenced; a program that waits for nothing else must not end meanwhile.
  const awake = setInterval(() => {}, 60_000);
  try {
    const code = await running.exited;
    const report = running.next();
    if (report.kind === "failed") throw report.error;
    if (code !== 0)
      throw new PlanError(DIRECTORY, 0, `syncfs ${directory}: its process ended with status ${code}`);
  } finally {
    clearInterval(awake);
    running.close();
  }
}

/** Syncs that are asked for at the same time become one: whoever comes while one runs shares the next. */
export class SharedSync {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(private readonly directory: string) {}

  /** Resolves when everything that was written before the call is on the disk. */
  sync(): Promise<void> {
    if (!this.#running) return this.#start();
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const running = syncFilesystem(this.directory).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
