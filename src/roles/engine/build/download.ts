// ADD with a URL: the file behind it, and the name that it gets.

import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, utimesSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { AT_FDCWD, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { openName, statAt, toByteName } from "../../../../ffi/tree.ts";
import type { CopySource } from "./copy-sources.ts";
import { DockerfileError } from "./dockerfile/error.ts";

export const isUrl = (word: string): boolean => /^https?:\/\//.test(word);

function fileName(url: URL, response: Response, target: string): string {
  const fromPath = url.pathname.endsWith("/") ? "" : basename(url.pathname);
  const disposition = /filename="?([^";]+)"?/.exec(response.headers.get("content-disposition") ?? "")?.[1];
  const name = fromPath || (disposition ? basename(disposition) : "");
  if (name === "" && target.endsWith("/")) {
    throw new DockerfileError(`cannot determine filename for source ${url.href}`);
  }
  return name === "" ? "__unnamed__" : name;
}

/**
 * Fetches into `directory`. The file has mode 0600 and the server's modification time, as docker gives it.
 * @param checksum "sha256:…", or "" for none
 */
export async function download(
  word: string,
  options: { directory: string; target: string; checksum: string; signal: AbortSignal },
): Promise<CopySource> {
  const { directory, target, checksum, signal } = options;
  let response: Response;
  try {
    response = await fetch(word, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new DockerfileError(`ADD failed: Get ${JSON.stringify(word)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (!response.ok || !response.body) {
    throw new DockerfileError(
      `ADD failed: failed to GET ${word} with status ${response.status} ${response.statusText}`.trim(),
    );
  }
  const name = fileName(new URL(word), response, target);
  const aside = join(directory, `download-${randomUUID()}`);
  mkdirSync(aside);
  const path = join(aside, "file");
  const hash = new Bun.CryptoHasher("sha256");
  const fd = openSync(path, "wx", 0o600);
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    }
  } finally {
    closeSync(fd);
  }
  const digest = hash.digest("hex");
  if (checksum !== "" && checksum !== `sha256:${digest}`) {
    throw new DockerfileError(`digest mismatch sha256:${digest}: ${checksum}`);
  }
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  const time = Number.isNaN(modified) ? new Date(0) : new Date(modified);
  utimesSync(path, time, time);
  const file = openName(AT_FDCWD, toByteName(path), O_PATH);
  return {
    fd: file,
    stat: statAt(file, "")!,
    attributes: new Map(),
    name: toByteName(name),
    hash: `file:${digest}`,
    plain: true,
  };
}
