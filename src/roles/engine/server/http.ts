// node:http under the hono app. Bun.serve cannot give its socket away, node:http can; and only connections that we accept
// ourselves (and hand over by the "connection" event) can be taken back from a request that did not ask for an upgrade.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { Engine } from "../engine.ts";
import { standardHeaders } from "./app.ts";
import type { HijackRoute } from "./hijack.ts";
import { matchHijack, serveHijack } from "./hijack-connection.ts";
import type { RouteEnv } from "./request.ts";

/** Docker clients put registry credentials and build settings into headers. */
const MAX_HEADER_SIZE = 1 << 20;

// The parser's listeners on a socket; without them the socket is a plain byte stream again.
const PARSER_EVENTS = ["data", "end", "drain", "timeout"] as const;

interface Taken {
  /** What the parser could not read as a request: the stream's first bytes, sent together with the head. */
  leftover: Buffer;
  /** The client ended its side, or broke the framing, inside the body. */
  broken?(): void;
}

/** The HTTP side of the engine. Feed it connections: `server.emit("connection", socket)`. */
export function createHttpServer(
  engine: Engine,
  app: Hono<RouteEnv>,
  routes: readonly HijackRoute[],
): Server {
  const headers = standardHeaders(engine.config);
  const taken = new WeakMap<object, Taken>();
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false, hostname: "docker" });

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const match = matchHijack(routes, request);
    if (!match) {
      // Clients that know no better send a socket's path as Host.
      request.headers.host = "docker";
      void listener(request, response);
      return;
    }
    const socket = request.socket;
    const state: Taken = { leftover: Buffer.alloc(0) };
    taken.set(socket, state);
    response.once("finish", () => taken.delete(socket));
    request.on("error", () => {});
    response.on("error", () => {});
    void serveHijack(
      engine,
      match,
      {
        request,
        socket,
        response,
        head: Buffer.alloc(0),
        broken: new Promise((resolve) => {
          state.broken = () => {
            if (!request.complete) resolve();
          };
        }),
        detach() {
          for (const event of PARSER_EVENTS) socket.removeAllListeners(event);
          socket.pause();
          return state.leftover;
        },
      },
      headers,
    );
  };

  const onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    const socket = stream as Socket;
    const match = matchHijack(routes, request)!;
    taken.set(socket, { leftover: Buffer.alloc(0) });
    void serveHijack(engine, match, { request, socket, head, detach: () => Buffer.alloc(0) }, headers);
  };

  const onClientError = (
    error: Error & { rawPacket?: Buffer; bytesParsed?: number },
    stream: Duplex,
  ): void => {
    const state = taken.get(stream);
    if (state) {
      state.broken?.();
      if (error.rawPacket && error.bytesParsed !== undefined) {
        state.leftover = Buffer.from(error.rawPacket.subarray(error.bytesParsed));
      }
      return;
    }
    if (!stream.writable) {
      stream.destroy();
      return;
    }
    const overflow = (error as NodeJS.ErrnoException).code === "HPE_HEADER_OVERFLOW";
    const status = overflow ? "431 Request Header Fields Too Large" : "400 Bad Request";
    stream.end(
      `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`,
    );
  };

  const options = {
    maxHeaderSize: MAX_HEADER_SIZE,
    // Every other Upgrade header (h2c from curl --http2) is ignored, as Go's server does.
    shouldUpgradeCallback: (request: IncomingMessage) => matchHijack(routes, request) !== undefined,
  };
  const server = createServer(options, onRequest);
  server.on("upgrade", onUpgrade);
  server.on("clientError", onClientError);
  // Streams may be silent for days.
  server.timeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.keepAliveTimeout = 0;
  server.maxRequestsPerSocket = 0;
  return server;
}
