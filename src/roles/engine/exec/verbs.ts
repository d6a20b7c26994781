// POST /containers/{id}/exec, POST /exec/{id}/start, /resize: the life of an exec.
import { log } from "../../../observe/log.ts";
import { traced } from "../../../observe/trace.ts";
import type { ExecCreate, ExecStart } from "../../../spec/engine/exec.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import type { Container } from "../containers/container.ts";
import { newId } from "../containers/id.ts";
import { notRunning } from "../containers/kill.ts";
import { linkEnvironment } from "../containers/legacy-links.ts";
import { step } from "../containers/mailbox.ts";
import { containerEvent, type Room } from "../containers/room.ts";
import { runtimeFailure } from "../containers/start-error.ts";
import { ApiError, badRequest, conflict, toApiError } from "../errors.ts";
import { PROCESS_TYPE_URL, specBytes } from "../oci/spec.ts";
import { parseDetachKeys } from "../streams/detach-keys.ts";
import { Exec } from "./exec.ts";
import { execProcess } from "./process.ts";

/** docker's code for an exec that could not be started, when the command was not the reason. */
const NOT_STARTED = 126;

function checkRunning(container: Container): void {
  const { state } = container;
  if (!state.running) throw notRunning(container);
  if (state.paused) throw conflict(`Container ${container.id} is paused, unpause the container before exec`);
  if (state.restarting) {
    throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
  }
}

/** The command as docker's exec events carry it. */
const words = (exec: Exec): string => (exec.config.Cmd ?? []).join(" ");

/** Makes an exec; nothing runs yet. ApiError 400, 409. */
export function createExec(room: Room, container: Container, config: ExecCreate): Exec {
  if (!config.Cmd?.length) throw badRequest("No exec command specified");
  parseDetachKeys(config.DetachKeys);
  checkRunning(container);
  for (const entry of config.Env ?? []) {
    if (entry === "" || entry.startsWith("=")) throw badRequest(`invalid environment variable: ${entry}`);
  }
  if (config.WorkingDir !== "" && !config.WorkingDir.startsWith("/")) {
    throw badRequest(
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  const exec = new Exec(newId(), container, config);
  room.execs.add(exec);
  containerEvent(room, container, `exec_create: ${words(exec)}`, { execID: exec.id });
  return exec;
}

/** Whether an exec may be started now. ApiError 409, 500 in docker's words. */
export function checkStart(exec: Exec): void {
  if (exec.exitCode !== null) throw conflict(`exec ${exec.id} has already run`);
  if (exec.startedOnce) throw new ApiError(409, `exec ${exec.id} is already running`);
  checkRunning(exec.container);
}

/**
 * Starts the process. With `attached` its streams are open when this resolves; clients attach to `exec.streams` before.
 * ApiError with docker's words when it cannot be started; the exec then has the exit code 126 or 127, and its streams are
 * left for the caller to close, who may have something to say in them.
 */
export async function startExec(
  room: Room,
  exec: Exec,
  request: ExecStart,
  terminal: boolean,
): Promise<void> {
  const { engine } = room;
  const { tasks } = engine.services;
  const { container } = exec;
  exec.startedOnce = true;
  exec.running = true;
  room.execs.started(exec);
  containerEvent(room, container, `exec_start: ${words(exec)}`, { execID: exec.id });
  let added = false;
  try {
    await traced("engine", "start exec", container.id, async () => {
      const size = request.ConsoleSize ?? exec.config.ConsoleSize;
      const process = execProcess(exec, terminal, size, engine.config, linkEnvironment(room, container));
      exec.streams?.makeFifos();
      exec.streams?.open();
      await step(
        "exec",
        tasks.exec(engine.namespace, container.id, {
          execId: exec.id,
          spec: { typeUrl: PROCESS_TYPE_URL, value: specBytes(process) },
          ...(exec.streams?.io ?? { stdin: "", stdout: "", stderr: "", terminal }),
        }),
      );
      added = true;
      const { pid } = await step("exec start", tasks.start(engine.namespace, container.id, exec.id));
      exec.pid = pid;
    });
  } catch (error) {
    const failure =
      error instanceof ServiceError
        ? runtimeFailure(error, "", NOT_STARTED)
        : { error: toApiError(error), exitCode: NOT_STARTED };
    exec.exited(failure.exitCode);
    exec.running = false;
    room.execs.finished(exec);
    exec.streams?.removeFifos();
    if (added) await tasks.deleteProcess(engine.namespace, container.id, exec.id).catch(() => {});
    throw failure.error;
  }
  exec.opened();
  void finish(room, exec);
}

// Waits for the end, which may be told by the task's wait, by containerd's event, or by the end of the container.
async function finish(room: Room, exec: Exec): Promise<void> {
  const { engine } = room;
  const { container } = exec;
  void (async () => {
    for (
      let pause = 50;
      exec.exitCode === null && !engine.shutdown.aborted;
      pause = Math.min(pause * 2, 5000)
    ) {
      try {
        exec.exited((await engine.services.tasks.wait(engine.namespace, container.id, exec.id)).exitStatus);
        return;
      } catch (error) {
        if (error instanceof ServiceError && error.code === "NotFound") return exec.containerEnded();
        await Bun.sleep(pause);
      }
    }
  })();
  const exitCode = await exec.ended;
  const ends = exec.streams?.finish();
  await ends?.settled;
  exec.running = false;
  room.execs.finished(exec);
  exec.settled();
  containerEvent(room, container, "exec_die", { execID: exec.id, exitCode: String(exitCode) });
  try {
    await ends?.drained;
    await step("exec delete", engine.services.tasks.deleteProcess(engine.namespace, container.id, exec.id));
  } catch (error) {
    // With the container's task its execs are gone, too.
    if (!(error instanceof ServiceError && error.code === "NotFound")) {
      log("debug", "exec cannot be deleted", { container: container.id, exec: exec.id, error });
    }
  }
  exec.streams?.close();
  exec.streams?.removeFifos();
  // The exec is remembered for its exit code.
  exec.streams = undefined;
}

/** POST /exec/{id}/resize */
export async function resizeExec(room: Room, exec: Exec, width: number, height: number): Promise<void> {
  if (exec.exitCode !== null) throw conflict(`exec ${exec.id} is not running`);
  // The client sends the size right after the start, maybe before the process is there.
  await Promise.race([exec.stdinReady, exec.ended]);
  await room.engine.services.tasks.resizePty(
    room.engine.namespace,
    exec.container.id,
    exec.id,
    width,
    height,
  );
}
