// Bytes from a file or stdin as a request's body.

import { closeSync, fstatSync, openSync } from "node:fs";
import type { EngineClient, RequestOptions } from "../../../wire/engine/client.ts";
import { pulledStream } from "../../../wire/pulled-stream.ts";
import { openError } from "../errors.ts";

/** The chunks of a file, or of stdin for "-". Throws with docker's words when it cannot be opened. */
export function fileChunks(path: string): ReadableStream<Uint8Array> {
  if (path === "-") return Bun.stdin.stream();
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    throw openError(path, error);
  }
  try {
    if (fstatSync(fd).isDirectory()) throw new Error(`read ${path}: is a directory`);
  } finally {
    closeSync(fd);
  }
  return Bun.file(path).stream();
}

/** A request with a tar stream as its body. */
export function upload(
  client: EngineClient,
  method: "POST" | "PUT",
  path: string,
  body: AsyncIterable<Uint8Array>,
  options: RequestOptions = {},
): Promise<Response> {
  return client.request(method, path, {
    ...options,
    body: body instanceof ReadableStream ? body : pulledStream(body),
    headers: { "Content-Type": "application/x-tar", ...options.headers },
  });
}
