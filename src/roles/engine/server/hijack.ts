// Requests that turn their connection into a raw byte stream (attach, exec start). The routes are told apart from hono's
// because they need the socket; the server parses the head, hands over, and turns a throw before `accept` into a JSON error.

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Engine } from "../engine.ts";
import { atLeast } from "./version.ts";

export interface Hijack {
  readonly request: IncomingMessage;
  /** Path parameters, percent-decoded, by the names in the route's path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** "1.51" */
  readonly apiVersion: string;
  /** The request body as parsed JSON; undefined when there is none. ApiError 400 on bad JSON. */
  json(): Promise<unknown>;
  /**
   * Answers the head — "101 UPGRADED" when the client asked for an upgrade, else "200 OK" — and gives the raw connection.
   * Its readable side ends at the client's half-close; what came behind the head is in it already. Call it once.
   */
  accept(mediaType: string, fields?: Readonly<Record<string, string>>): Duplex;
  /** For a refusal or an answer without a stream (exec start with Detach): an ordinary response. */
  respond(status: number, body?: unknown): void;
  /** Fires when the client's connection is gone in both directions. */
  readonly signal: AbortSignal;
}

export interface HijackRoute {
  method: "POST" | "GET";
  /** hono's notation: "/containers/:id/attach". */
  path: string;
  handle(engine: Engine, hijack: Hijack): Promise<void>;
}

/** Media types of hijacked streams. */
export const RAW_STREAM = "application/vnd.docker.raw-stream";
export const MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream";

/** The media type of a hijacked stream; before 1.42 there was one for both kinds. @param raw without frames */
export const streamType = ({ apiVersion }: Hijack, raw: boolean): string =>
  raw || !atLeast(apiVersion, "1.42") ? RAW_STREAM : MULTIPLEXED_STREAM;
