// POST /containers/{id}/attach
import type { Duplex } from "node:stream";
import { badRequest, conflict } from "../errors.ts";
import { type Hijack, streamType } from "../server/hijack.ts";
import { boolean } from "../server/request.ts";
import { atLeast } from "../server/version.ts";
import { serveAttach } from "../streams/attach.ts";
import { DetachMatcher, parseDetachKeys } from "../streams/detach-keys.ts";
import { acceptKey, websocketStream } from "../streams/websocket.ts";
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
export function attachContainer(room: Room, container: Container, hijack: Hijack): Promise<void> {
  const raw = container.record.Config.Tty;
  return attach(room, container, hijack, {
    raw,
    accept: () => hijack.accept(streamType(hijack, raw)),
  });
}

/** GET /containers/{id}/attach/ws: the same as binary messages of a websocket, both outputs in one. */
export async function attachWebsocket(room: Room, container: Container, hijack: Hijack): Promise<void> {
  const { headers } = hijack.request;
  const key = headers["sec-websocket-key"];
  if (headers.upgrade?.toLowerCase() !== "websocket" || !key) throw badRequest("not a websocket handshake");
  const offered = headers["sec-websocket-protocol"]?.split(",")[0]?.trim();
  return attach(room, container, hijack, {
    raw: true,
    // Which streams are wanted could not be said before: they are all taken.
    everything: !atLeast(hijack.apiVersion, "1.42"),
    accept: () =>
      websocketStream(
        hijack.accept("", {
          "Sec-WebSocket-Accept": acceptKey(key),
          ...(offered ? { "Sec-WebSocket-Protocol": offered } : {}),
        }),
        atLeast(hijack.apiVersion, "1.28") ? "binary" : "text",
      ),
  });
}

async function attach(
  room: Room,
  container: Container,
  hijack: Hijack,
  { raw, everything, accept }: { raw: boolean; everything?: boolean; accept(): Duplex },
): Promise<void> {
  const flag = (name: string): boolean =>
    (everything && /^std/.test(name)) || boolean(hijack.query.get(name));
  const keys = parseDetachKeys(hijack.query.get("detachKeys"));
  checkAttach(container);
  const { Config } = container.record;
  const terminal = Config.Tty;
  const stdout = flag("stdout");
  const stderr = flag("stderr");
  const replay: LogsRequest | undefined = flag("logs")
    ? { stdout, stderr, follow: false, timestamps: false, details: false, tail: "all", since: "", until: "" }
    : undefined;
  if (replay) checkLogs(container, replay);
  const connection = accept();
  if (replay) {
    await writeLogs(
      container,
      replay,
      (bytes) =>
        new Promise((resolve, reject) =>
          connection.write(bytes, (error) => (error ? reject(error) : resolve())),
        ),
      hijack.signal,
      raw,
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
      raw,
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
