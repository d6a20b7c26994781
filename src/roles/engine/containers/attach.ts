// POST /containers/{id}/attach
import { conflict } from "../errors.ts";
import { type Hijack, MULTIPLEXED_STREAM, RAW_STREAM } from "../server/hijack.ts";
import { boolean } from "../server/request.ts";
import { serveAttach } from "../streams/attach.ts";
import { DetachMatcher, parseDetachKeys } from "../streams/detach-keys.ts";
import type { Container } from "./container.ts";
import { checkLogs, type LogsRequest, writeLogs } from "./logs.ts";
import { containerEvent, type Room } from "./room.ts";

function checkAttach(container: Container): void {
  if (container.state.paused) {
    throw conflict(`container ${container.id} is paused, unpause the container before attach`);
  }
  if (container.state.restarting) {
    throw conflict(`container ${container.id} is restarting, wait until the container is running`);
  }
}

/** Attaches the client's connection. Before the start too: then it sees every byte. */
export async function attachContainer(room: Room, container: Container, hijack: Hijack): Promise<void> {
  const flag = (name: string): boolean => boolean(hijack.query.get(name));
  const keys = parseDetachKeys(hijack.query.get("detachKeys"));
  checkAttach(container);
  const { Config } = container.record;
  const terminal = Config.Tty;
  const stdout = flag("stdout");
  const stderr = flag("stderr");
  const replay: LogsRequest | undefined = flag("logs")
    ? { stdout, stderr, follow: false, timestamps: false, tail: "all", since: "", until: "" }
    : undefined;
  if (replay) checkLogs(container, replay);
  const connection = hijack.accept(terminal ? RAW_STREAM : MULTIPLEXED_STREAM);
  if (replay) {
    await writeLogs(
      container,
      replay,
      (bytes) =>
        new Promise((resolve, reject) =>
          connection.write(bytes, (error) => (error ? reject(error) : resolve())),
        ),
      hijack.signal,
    );
  }
  if (!flag("stream")) {
    connection.end();
    connection.resume();
    return;
  }
  const { streams, stdinReady } = container;
  // A terminal outlives the client in front of it (moby: container/stream/attach.go, `CloseStdin && !TTY`).
  const inputOnce = Config.StdinOnce && !terminal;
  const stdin = flag("stdin") && Config.OpenStdin;
  containerEvent(room, container, "attach");
  const outcome = await serveAttach(
    {
      streams,
      connection,
      stdin,
      stdout,
      stderr,
      raw: terminal,
      ...(stdin && terminal ? { detach: new DetachMatcher(keys) } : {}),
      inputEnds: inputOnce,
      closeInput: async () => {
        await streams.closeStdin();
        await room.engine.services.tasks.closeIO(room.engine.namespace, container.id, "", true);
      },
    },
    stdinReady,
  );
  if (outcome === "detached") containerEvent(room, container, "detach");
  // A client that goes takes a once-only input with it, as its half-close would.
  if (outcome === "gone" && stdin && inputOnce && streams.hasStdin) {
    await streams.closeStdin();
    await room.engine.services.tasks.closeIO(room.engine.namespace, container.id, "", true).catch(() => {});
  }
}

/** POST /containers/{id}/resize */
export async function resizeContainer(
  room: Room,
  container: Container,
  width: number,
  height: number,
): Promise<void> {
  const { state } = container;
  if (!state.running || state.restarting) {
    throw conflict(`container ${container.id} is not running`);
  }
  await room.engine.services.tasks.resizePty(room.engine.namespace, container.id, "", width, height);
  containerEvent(room, container, "resize", { height: String(height), width: String(width) });
}
