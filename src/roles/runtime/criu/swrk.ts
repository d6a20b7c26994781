// A conversation with `criu swrk`: one request over a socket, notifications in between, one answer. https://criu.org/RPC
import { AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET } from "../../../../ffi/constants/unix.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { write } from "../../../../ffi/file.ts";
import { syscall } from "../../../../ffi/libc.ts";
import { readTextIfThere } from "../../../../ffi/path.ts";
import { receiveFds } from "../../../../ffi/socket.ts";
import { RuntimeError } from "../errors.ts";
import { log } from "../log.ts";
import { decodeResponse, encodeRequest, REQUEST, type Request, type Response, requestName } from "./rpc.ts";

/** The socket's number in criu's process. */
export const SOCKET = 3;

/** Starts criu with that descriptor as number 3. */
export type Spawn = (socket: number) => Bun.Subprocess;

export interface Conversation {
  spawn: Spawn;
  /** Called with criu's pid before anything is said to it; the request may depend on it. */
  request: (pid: number) => Request;
  /** criu waits meanwhile. The descriptors are closed afterwards. */
  notified?: (script: string, pid: number, fds: readonly Fd[]) => void | Promise<void>;
  /** Where criu writes its log, for the error's words. */
  logFile: string;
}

/** criu's path. Throws RuntimeError, in runc's words, when there is none. */
export function findCriu(program: string): string {
  const path = program.includes("/") ? program : Bun.which(program);
  if (path === null || !Bun.which(path))
    throw new RuntimeError(
      `CRIU version check failed: exec: ${JSON.stringify(program)}: executable file not found in $PATH`,
    );
  return path;
}

/** Holds the conversation to its end. Throws what criu complained of, with the errors of its log as warnings before. */
export async function converse(conversation: Conversation): Promise<Response> {
  const pair = new Int32Array(2);
  syscall("socketpair", "criu", AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  using socket = new Fd(pair[0]!, "criu");
  let child: Bun.Subprocess;
  {
    // Closed here at once: when criu dies the other end is to see it.
    using remote = new Fd(pair[1]!, "criu");
    child = conversation.spawn(remote.number);
  }
  try {
    const request = conversation.request(child.pid);
    write(socket, encodeRequest(request));
    for (;;) {
      const response = await hear(socket, conversation);
      if (!response.success) {
        quoteErrors(conversation.logFile);
        throw new RuntimeError(
          `criu failed: type ${requestName(response.type)} errno ${response.errno ?? 0}\nlog file: ${conversation.logFile}`,
        );
      }
      if (response.type !== REQUEST.notify) return response;
    }
  } catch (error) {
    if (!isErrno(error, "EPIPE", "ECONNRESET")) throw error;
    throw new RuntimeError(`criu ended in the middle of the conversation\nlog file: ${conversation.logFile}`);
  } finally {
    socket.close();
    await child.exited;
  }
}

async function hear(socket: Fd, { notified, logFile }: Conversation): Promise<Response> {
  const message = receiveFds(socket);
  if (!message || message.data.length === 0)
    throw new RuntimeError(`criu ended without an answer\nlog file: ${logFile}`);
  try {
    const response = decodeResponse(message.data);
    if (response.success && response.type === REQUEST.notify) {
      const { script = "", pid = 0 } = response.notify ?? {};
      await notified?.(script, pid, message.fds);
      write(socket, encodeRequest({ type: REQUEST.notify, notifySuccess: true }));
    }
    return response;
  } finally {
    for (const fd of message.fds) fd.close();
  }
}

/** The lines of criu's log that tell of an error, as warnings. */
function quoteErrors(path: string): void {
  const lines = (readTextIfThere(path) ?? "").split("\n").filter((line) => line.includes("Error"));
  for (const line of lines) log("warning", `criu: ${line}`);
}
