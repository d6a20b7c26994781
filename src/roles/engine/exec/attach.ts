// POST /exec/{id}/start: the process's streams on the client's connection, or just the start (Detach).
import { execStart } from "../../../spec/engine/exec.ts";
import type { Room } from "../containers/room.ts";
import { containerEvent } from "../containers/room.ts";
import { type Hijack, streamType } from "../server/hijack.ts";
import { fromJson } from "../server/request.ts";
import { serveAttach } from "../streams/attach.ts";
import { DetachMatcher, parseDetachKeys } from "../streams/detach-keys.ts";
import { frame } from "../streams/frame.ts";
import { checkStart, startExec } from "./verbs.ts";

export async function startExecRequest(room: Room, hijack: Hijack): Promise<void> {
  const exec = room.execs.get(hijack.params["id"]!);
  const request = fromJson(execStart, (await hijack.json()) ?? {}, "ExecStartOptions");
  checkStart(exec);
  const { config, container } = exec;
  // The two requests both say whether there is a terminal. As in docker the first decides what the process gets, the second how
  // its output travels: docker-py frames a terminal's.
  const terminal = config.Tty;
  const raw = request.Tty;
  if (request.Detach) {
    await startExec(room, exec, request, terminal);
    hijack.respond(200);
    return;
  }
  const streams = exec.makeStreams(
    { stdin: config.AttachStdin, stdout: config.AttachStdout, stderr: config.AttachStderr },
    terminal,
  );
  // Attached before the start, so that the first bytes are seen. The connection is taken over at once: what goes wrong
  // from here is told in the stream, as docker does.
  const connection = hijack.accept(streamType(hijack, raw));
  const serving = serveAttach(
    {
      streams,
      connection,
      stdin: config.AttachStdin,
      stdout: config.AttachStdout,
      stderr: config.AttachStderr,
      raw,
      ...(config.AttachStdin && terminal
        ? { detach: new DetachMatcher(parseDetachKeys(config.DetachKeys)) }
        : {}),
      inputEnds: true,
      closeInput: async () => {
        await streams.closeStdin();
        await room.engine.services.tasks.closeIO(room.engine.namespace, container.id, exec.id, true);
      },
    },
    exec.stdinReady,
  );
  try {
    await startExec(room, exec, request, terminal);
  } catch (error) {
    const text = Buffer.from(`${(error as Error).message}\r\n`);
    connection.write(raw ? text : frame("stdout", text));
    streams.close();
    await serving;
    return;
  }
  const outcome = await serving;
  if (outcome === "detached") containerEvent(room, container, "exec_detach", { execID: exec.id });
  if (outcome === "gone" && streams.hasStdin) {
    await streams.closeStdin();
    await room.engine.services.tasks
      .closeIO(room.engine.namespace, container.id, exec.id, true)
      .catch(() => {});
  }
}
