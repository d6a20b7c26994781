// The body of a request that becomes a stream. Nobody parses it for us, and it must not be waited for to its end: dockerode
// sends its JSON in a chunk and the last chunk only after the answer.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { badRequest } from "../errors.ts";

/** More than any exec start ever sends. */
const LIMIT = 1 << 20;

export interface HijackBody {
  text: string;
  /** Bytes behind the body: the start of the stream. */
  rest: Buffer;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What `bytes` hold of a chunked body: its data so far, and where it ends if it does. ApiError 400 on broken framing. */
export function decodeChunks(bytes: Buffer): { text: string; end: number; last: boolean } {
  let at = 0;
  let text = "";
  for (;;) {
    const eol = bytes.indexOf("\r\n", at);
    if (eol < 0) return { text, end: at, last: false };
    const size = bytes.toString("latin1", at, eol).split(";")[0]!.trim();
    if (!/^[0-9a-f]{1,7}$/i.test(size)) throw badRequest("invalid chunk size in request body");
    const length = Number.parseInt(size, 16);
    const start = eol + 2;
    if (bytes.length < start + length + 2) return { text, end: at, last: false };
    if (length === 0) return { text, end: start + 2, last: true };
    text += bytes.toString("utf8", start, start + length);
    at = start + length + 2;
  }
}

function take(bytes: Buffer, request: IncomingMessage): HijackBody | undefined {
  const length = request.headers["content-length"];
  if (request.headers["transfer-encoding"]?.toLowerCase().includes("chunked")) {
    const { text, end, last } = decodeChunks(bytes);
    return last || isJson(text) ? { text, rest: bytes.subarray(end) } : undefined;
  }
  const wanted = length === undefined ? 0 : Number(length);
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > LIMIT) {
    throw badRequest(`invalid Content-Length: ${length}`);
  }
  if (bytes.length < wanted) return undefined;
  return { text: bytes.toString("utf8", 0, wanted), rest: bytes.subarray(wanted) };
}

/** Reads the body of an upgrade request off its socket; `head` is what the HTTP parser had already read. Leaves the socket paused. */
export function readUpgradeBody(request: IncomingMessage, socket: Socket, head: Buffer): Promise<HijackBody> {
  return new Promise((resolve, reject) => {
    let bytes = head;
    const done = (work: () => void): void => {
      socket.off("data", onData);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
      socket.pause();
      work();
    };
    const look = (): boolean => {
      try {
        const body = take(bytes, request);
        if (body) done(() => resolve(body));
        else if (bytes.length > LIMIT * 2) throw badRequest("request body too large");
        return body !== undefined;
      } catch (error) {
        done(() => reject(error));
        return true;
      }
    };
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      look();
    };
    const onEnd = (): void => done(() => reject(badRequest("unexpected EOF in request body")));
    if (look()) return;
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    socket.resume();
  });
}

/**
 * Reads the body of a request without Upgrade, which the HTTP parser unframes, to its end or to its first whole JSON value.
 * `broken` resolves when the end will not come: the parser tells that to the server, not to the request.
 */
export function readPlainBody(request: IncomingMessage, broken?: Promise<void>): Promise<string> {
  const chunked = request.headers["transfer-encoding"] !== undefined;
  return new Promise((resolve, reject) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.length > LIMIT) reject(badRequest("request body too large"));
      else if (chunked && isJson(text)) resolve(text);
    });
    request.on("end", () => resolve(text));
    request.on("error", reject);
    const cut = (): void => reject(badRequest("unexpected EOF in request body"));
    request.on("close", cut);
    void broken?.then(cut);
  });
}
