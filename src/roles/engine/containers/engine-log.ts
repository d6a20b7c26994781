// The log of a container whose shim is not ours: then the engine writes it, as dockerd does, from the container's FIFOs.
import { log } from "../../../observe/log.ts";
import { JsonLog } from "../../../store/jsonlog/index.ts";
import { OWN_SHIM } from "../config/runtimes.ts";
import type { OutputStream } from "../streams/frame.ts";
import type { Attached } from "../streams/process-streams.ts";
import type { Container } from "./container.ts";
import { logLimits } from "./log-options.ts";
import type { Room } from "./room.ts";

class EngineLog implements Attached {
  readonly #file: JsonLog;
  #failed = false;

  constructor(private readonly container: Container) {
    this.#file = new JsonLog(container.logPath, logLimits(container));
  }

  wants(): boolean {
    return true;
  }

  // A log that cannot be written must not stop the container; it is tried again with the next output.
  write(stream: OutputStream, chunk: Uint8Array): undefined {
    try {
      this.#file.write(stream, chunk);
      this.#failed = false;
    } catch (error) {
      if (!this.#failed)
        log("error", "container's log cannot be written", { container: this.container.id, error });
      this.#failed = true;
    }
  }

  end(): void {
    try {
      this.#file.end("stdout");
      this.#file.end("stderr");
    } catch (error) {
      log("error", "container's log cannot be ended", { container: this.container.id, error });
    }
    this.#file.close();
  }
}

/** Whether the container's shim writes the log itself. */
export function shimLogs(room: Room, container: Container): boolean {
  return room.engine.runtime(container.host.Runtime).shim === OWN_SHIM;
}

/** Before the streams are opened: sees to it that somebody writes the log. */
export function attachEngineLog(room: Room, container: Container): void {
  if (container.logs && !shimLogs(room, container)) container.streams.attach(new EngineLog(container));
}
