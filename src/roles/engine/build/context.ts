// The build context: what the client sends (or what a URL gives), unpacked below the data root, with its Dockerfile.
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { openName, removeTree, statAt, toByteName } from "../../../../ffi/tree.ts";
import { ArchiveError } from "../../../store/tar/entry.ts";
import { applyTar } from "../../../store/tar/extract.ts";
import { ApiError, badRequest } from "../errors.ts";
import { uncompressed } from "./archive.ts";
import { Ignore } from "./dockerignore.ts";
import { cloneGit, isGit } from "./git.ts";
import { buildsDirectory } from "./leftovers.ts";
import type { BuildOptions } from "./options.ts";
import { partsOf, readIn } from "./tree.ts";

/** A directory that can be copied from. */
export interface ContextTree {
  fd: Fd;
  path: string;
}

export interface BuildContext extends Disposable {
  /**
   * The files that come from the client, those that `sources` name among them, as far as there are any. Undefined when only a
   * Dockerfile was given: then nothing can be copied.
   */
  tree(sources: readonly string[]): Promise<ContextTree | undefined>;
  dockerfile: string;
  /** A directory of this build's own, for downloads. */
  scratch: string;
}

export const IGNORE = ".dockerignore";

/** A new directory for one build. */
export function workDirectory(dataRoot: string): string {
  const directory = join(buildsDirectory(dataRoot), randomUUID());
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** Fetches a URL context: a Dockerfile as text, or an archive. */
async function fetchRemote(
  remote: string,
  signal: AbortSignal,
): Promise<{ text?: string; archive?: AsyncIterable<Uint8Array> }> {
  if (!/^https?:\/\//.test(remote))
    throw badRequest(`unable to prepare context: ${JSON.stringify(remote)} is no URL`);
  let response: Response;
  try {
    response = await fetch(remote, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new ApiError(500, `unable to download remote context ${remote}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (!response.ok || !response.body) {
    throw badRequest(
      `unable to download remote context ${remote}: server replied ${response.status} ${response.statusText}`.trim(),
    );
  }
  const type = response.headers.get("content-type")?.split(";")[0]?.trim() ?? "";
  if (type.startsWith("text/")) return { text: await response.text() };
  return { archive: response.body as unknown as AsyncIterable<Uint8Array> };
}

export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  into: string,
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(into, { mode: 0o755 });
  try {
    await applyTar(uncompressed(archive), into, { plainNames: true, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ArchiveError)) throw error;
    throw badRequest(`Error processing tar file: ${error.message}`);
  }
}

/**
 * The Dockerfile in the context. With the classic builder it, and .dockerignore, then go where .dockerignore says so (moby:
 * removeDockerfile).
 */
function takeDockerfile(root: Fd, name: string, classic: boolean): string {
  const parts = partsOf(toByteName(name));
  if (parts.includes("..")) throw badRequest(`Forbidden path outside the build context: ${name}`);
  const path = parts.join("/");
  // An old habit: clients ask for "Dockerfile" where only "dockerfile" is.
  const found = readIn(root, path) ?? (path === "Dockerfile" ? readIn(root, "dockerfile") : undefined);
  if (!found) throw badRequest(`Cannot locate specified Dockerfile: ${name}`);
  if (found.length === 0) throw badRequest(`the Dockerfile (${name}) cannot be empty`);
  const ignored = classic ? readIn(root, IGNORE) : undefined;
  if (ignored) {
    let ignore: Ignore;
    try {
      ignore = new Ignore(Buffer.from(ignored).toString("utf8"));
    } catch (error) {
      throw badRequest(`error parsing .dockerignore: ${(error as Error).message}`);
    }
    for (const one of [IGNORE, path]) {
      if (!one.includes("/") && ignore.excludes(one) && statAt(root, one)) removeTree(root, one);
    }
  }
  return Buffer.from(found).toString("utf8");
}

export const openTree = (directory: string): Fd =>
  openName(AT_FDCWD, toByteName(directory), O_RDONLY | O_DIRECTORY);

/** Receives the context whole. Throws ApiError for one that cannot be used; nothing is left on disk then. */
export async function receiveContext(
  dataRoot: string,
  options: BuildOptions,
  body: AsyncIterable<Uint8Array> | null,
  signal: AbortSignal,
): Promise<BuildContext> {
  const scratch = workDirectory(dataRoot);
  const clear = (): void => rmSync(scratch, { recursive: true, force: true });
  try {
    if (isGit(options.remote)) {
      const keepGitDir =
        options.version === "1" || options.buildArgs["BUILDKIT_CONTEXT_KEEP_GIT_DIR"] === "1";
      const tree = await cloneGit(options.remote, join(scratch, "context"), { keepGitDir, signal });
      return withDockerfile(tree, options, scratch, clear);
    }
    const source =
      options.remote === "" || options.remote === "client-session"
        ? { archive: body ?? undefined, text: undefined }
        : await fetchRemote(options.remote, signal);
    if (source.text !== undefined) {
      return { tree: async () => undefined, dockerfile: source.text, scratch, [Symbol.dispose]: clear };
    }
    if (!source.archive) throw badRequest("the build needs a context: the request has no body");
    const path = join(scratch, "context");
    await unpack(source.archive, path, signal);
    return withDockerfile({ fd: openTree(path), path }, options, scratch, clear);
  } catch (error) {
    clear();
    throw error;
  }
}

/** The context in `tree`, whose descriptor is closed with it, or at once when there is no Dockerfile. */
function withDockerfile(
  tree: ContextTree,
  options: BuildOptions,
  scratch: string,
  clear: () => void,
): BuildContext {
  try {
    return {
      tree: async () => tree,
      dockerfile: takeDockerfile(tree.fd, options.dockerfile, options.version === "1"),
      scratch,
      [Symbol.dispose]() {
        tree.fd.close();
        clear();
      },
    };
  } catch (error) {
    tree.fd.close();
    throw error;
  }
}
