// One hijacked request: from the parsed head to the raw connection, or to an ordinary answer when it is refused.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { log } from "../../../observe/log.ts";
import { GoJsonError, parseJson } from "../../../spec/engine/go-json.ts";
import type { Engine } from "../engine.ts";
import { badRequest, toApiError, unforeseen } from "../errors.ts";
import type { Hijack, HijackRoute } from "./hijack.ts";
import { type HijackBody, readPlainBody, readUpgradeBody } from "./hijack-body.ts";
import { checkVersion, splitVersion } from "./version.ts";

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

export interface HijackMatch {
  route: HijackRoute;
  params: Record<string, string>;
}

/** Finds the route for a request, by method and path. */
export function matchHijack(
  routes: readonly HijackRoute[],
  request: Pick<IncomingMessage, "method" | "url">,
): HijackMatch | undefined {
  const path = splitVersion((request.url ?? "/").split("?", 1)[0]!).path.split("/");
  for (const route of routes) {
    const wanted = route.path.split("/");
    if (route.method !== request.method || wanted.length !== path.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((part, i) => {
      if (!part.startsWith(":")) return part === path[i];
      if (path[i] === "") return false;
      try {
        params[part.slice(1)] = decodeURIComponent(path[i]!);
      } catch {
        return false;
      }
      return true;
    });
    if (fits) return { route, params };
  }
  return undefined;
}

export interface HijackSource {
  request: IncomingMessage;
  socket: Socket;
  /** Present for a request without Upgrade: refusals then leave the connection usable. */
  response?: ServerResponse;
  /** For an upgrade: what the parser had read behind the head. */
  head: Buffer;
  /** Resolves when the body of a request without Upgrade will never be whole. */
  broken?: Promise<void>;
  /** Takes the socket away from the HTTP parser; the bytes that the parser choked on. */
  detach(): Buffer;
}

/** Runs the route. Never rejects: what is thrown becomes the answer, or is logged once the stream has begun. */
export async function serveHijack(
  engine: Engine,
  match: HijackMatch,
  source: HijackSource,
  headers: Record<string, string>,
): Promise<void> {
  const { request, socket, response } = source;
  const gone = new AbortController();
  socket.once("close", () => gone.abort(new Error("client closed the connection")));
  // A reset is no error of ours; "close" follows.
  socket.on("error", () => {});
  let body: HijackBody = { text: "", rest: Buffer.alloc(0) };
  let accepted = false;

  const respond = (status: number, value?: unknown): void => {
    accepted = true;
    const text = value === undefined ? "" : `${JSON.stringify(value)}\n`;
    const fields: Record<string, string> = { ...headers, "Content-Length": String(Buffer.byteLength(text)) };
    if (text !== "") fields["Content-Type"] = "application/json";
    if (response) {
      response.writeHead(status, fields);
      response.end(text);
      return;
    }
    fields["Connection"] = "close";
    socket.end(`${head(status, REASONS[status] ?? "", fields)}${text}`);
    // Let go of a client that keeps its side open.
    socket.resume();
  };

  try {
    const { version } = splitVersion(request.url ?? "/");
    checkVersion(version);
    if (response) body = { text: await readPlainBody(request, source.broken), rest: Buffer.alloc(0) };
    else body = await readUpgradeBody(request, socket, source.head);
    const hijack: Hijack = {
      request,
      params: match.params,
      query: new URL(request.url ?? "/", "http://docker").searchParams,
      apiVersion: version,
      signal: gone.signal,
      async json() {
        if (body.text.trim() === "") return undefined;
        try {
          return parseJson(body.text);
        } catch (error) {
          if (error instanceof GoJsonError) throw badRequest(`invalid JSON: ${error.message}`);
          throw error;
        }
      },
      accept(mediaType, more = {}): Duplex {
        if (accepted) throw new Error("hijacked connection accepted twice");
        accepted = true;
        const rest = Buffer.concat([source.detach(), withoutLastChunk(request, body.rest)]);
        const upgrade = request.headers.upgrade;
        const fields = { ...headers, ...(mediaType ? { "Content-Type": mediaType } : {}), ...more };
        socket.write(
          upgrade === undefined
            ? head(200, "OK", fields)
            : head(101, "UPGRADED", { ...fields, Connection: "Upgrade", Upgrade: upgrade }),
        );
        if (rest.length > 0) socket.unshift(rest);
        return socket;
      },
      respond,
    };
    await match.route.handle(engine, hijack);
    if (!accepted) throw new Error(`route ${match.route.path} gave no answer`);
  } catch (error) {
    if (gone.signal.aborted) return;
    const refusal = toApiError(error);
    if (accepted) {
      log("error", "Hijacked stream failed", { path: match.route.path, error: refusal });
      socket.destroy();
      return;
    }
    if (refusal.status >= 500) {
      log("error", `Handler for request returned error: ${refusal.message}`, unforeseen(error));
    }
    respond(refusal.status, refusal.status === 304 ? undefined : { message: refusal.message });
  }
}

function head(status: number, reason: string, fields: Record<string, string>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${reason}\r\n${lines.join("")}\r\n`;
}

// A chunked body that was cut short for its JSON still owes its last chunk; when that is here already it is not input.
function withoutLastChunk(request: IncomingMessage, rest: Buffer): Buffer {
  const chunked = request.headers["transfer-encoding"]?.toLowerCase().includes("chunked");
  return chunked && rest.subarray(0, 5).toString("latin1") === "0\r\n\r\n" ? rest.subarray(5) : rest;
}
