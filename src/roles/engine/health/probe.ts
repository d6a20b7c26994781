// One check: a command run in the container, with an end to its time and to its output.
import type { HealthLog } from "../../../spec/engine/container.ts";
import { execCreate } from "../../../spec/engine/exec.ts";
import { goJson } from "../../../spec/engine/go-json.ts";
import type { Container } from "../containers/container.ts";
import type { Room } from "../containers/room.ts";
import { goNow } from "../containers/time.ts";
import type { Exec } from "../exec/exec.ts";
import { createExec, startExec } from "../exec/verbs.ts";
import type { OutputStream } from "../streams/frame.ts";
import type { Attached } from "../streams/process-streams.ts";
import { type Check, goDuration } from "./config.ts";

/** Bytes of output that are kept of a check. */
const OUTPUT_LIMIT = 4096;
/** What docker shows for a check that had no exit code. */
const NO_EXIT_CODE = -1;
const SIGKILL = 9;

class Output implements Attached {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;
  #truncated = false;

  wants(_stream: OutputStream): boolean {
    return true;
  }

  write(_stream: OutputStream, chunk: Uint8Array): undefined {
    const room = OUTPUT_LIMIT - this.#length;
    if (chunk.length > room) this.#truncated = true;
    if (room <= 0) return;
    // The reader uses its buffer again.
    const piece = chunk.slice(0, room);
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  end(): void {}

  get text(): string {
    const text = Buffer.concat(this.#pieces).toString("utf8");
    return this.#truncated ? `${text}...` : text;
  }
}

/** Runs the check to its end, or to the end of its time, or until `stop` fires (then undefined). */
export async function probe(
  room: Room,
  container: Container,
  check: Check,
  stop: AbortSignal,
): Promise<HealthLog | undefined> {
  const Start = goNow();
  const result = (ExitCode: number, text: string): HealthLog => ({
    Start,
    End: goNow(),
    ExitCode,
    Output: text,
  });
  const output = new Output();
  let exec: Exec | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    exec = createExec(
      room,
      container,
      goJson(execCreate, { Cmd: check.command, AttachStdout: true, AttachStderr: true }, "ExecOptions"),
    );
    exec.makeStreams({ stdin: false, stdout: true, stderr: true }, false).attach(output);
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), check.timeout);
    });
    const stopped = new Promise<"stopped">((resolve) => {
      stop.addEventListener("abort", () => resolve("stopped"), { once: true });
    });
    const running = startExec(room, exec, { Detach: false, Tty: false }, false).then(() => exec!.finished);
    running.catch(() => {});
    const outcome = await Promise.race([running, late, stopped]);
    if (typeof outcome === "number") return result(outcome, output.text);
    await end(room, container, exec);
    if (outcome === "stopped") return undefined;
    const words = `Health check exceeded timeout (${goDuration(check.timeout)})`;
    return result(NO_EXIT_CODE, output.text === "" ? words : `${words}: ${output.text}`);
  } catch (error) {
    exec?.streams?.close();
    if (stop.aborted) return undefined;
    return result(NO_EXIT_CODE, (error as Error).message);
  } finally {
    clearTimeout(timer);
    if (exec) room.execs.forget(exec);
  }
}

// Its process is gone or will be; what it still holds open is not waited for.
async function end(room: Room, container: Container, exec: Exec): Promise<void> {
  const { engine } = room;
  await engine.services.tasks
    .kill(engine.namespace, container.id, SIGKILL, { execId: exec.id, all: true })
    .catch(() => {});
}
