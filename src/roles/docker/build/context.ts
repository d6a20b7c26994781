// The build context: a directory, an archive, a Dockerfile alone, a URL or a git repository → a tar stream and the
// Dockerfile's name in it.
import { lstatSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join, relative, resolve } from "node:path";
import { showName } from "../../../../ffi/tree.ts";
import { childEnvironment } from "../../../self.ts";
import { END, encodeHeader, paddingOf } from "../../../store/tar/encode.ts";
import type { TarEntry } from "../../../store/tar/entry.ts";
import { isZero, parseHeader } from "../../../store/tar/header.ts";
import { packTree } from "../../../store/tar/pack.ts";
import { openError } from "../errors.ts";
import { IgnoreRules, readPatterns } from "./ignore.ts";

export interface BuildContext {
  /** The tar; compressed if it came so. */
  chunks: AsyncIterable<Uint8Array>;
  /** The Dockerfile's name inside. */
  dockerfile: string;
}

const IGNORE = ".dockerignore";

function member(name: string, bytes: Uint8Array): Uint8Array {
  const entry: TarEntry = {
    name: Buffer.from(name).toString("latin1"),
    type: "file",
    mode: 0o600,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtime: { seconds: Math.floor(Date.now() / 1000), nanoseconds: 0 },
    linkName: "",
    devMajor: 0,
    devMinor: 0,
    attributes: new Map(),
  };
  return Buffer.concat([encodeHeader(entry), bytes, new Uint8Array(paddingOf(bytes.length))]);
}

async function* ownMembers(members: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* members;
  yield END;
}

function isArchive(head: Uint8Array): boolean {
  const magic = Buffer.from(head.subarray(0, 6)).toString("latin1");
  if (/^(\x1f\x8b|BZh|\xfd7zXZ\0|\x28\xb5\x2f\xfd)/.test(magic)) return true;
  if (head.length < 512 || isZero(head.subarray(0, 512))) return false;
  try {
    parseHeader(head.subarray(0, 512));
    return true;
  } catch {
    return false;
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** A stream that is an archive, or a Dockerfile alone. Throws with docker's words. */
export async function streamContext(
  chunks: AsyncIterable<Uint8Array>,
  dockerfile: string,
): Promise<BuildContext> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 512) {
    const { value, done } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  const whole = (async function* () {
    yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  })();
  if (isArchive(head)) return { chunks: whole, dockerfile };
  if (dockerfile === "-") throw new Error("build context is not an archive");
  if (dockerfile !== "")
    throw new Error("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
  return { chunks: ownMembers([member("Dockerfile", await collect(whole))]), dockerfile: "Dockerfile" };
}

/** The Dockerfile's path relative to the context. Throws with docker's words. */
function dockerfileIn(directory: string, given: string): string {
  let path = given;
  if (path === "") {
    path = join(directory, "Dockerfile");
    const lower = join(directory, "dockerfile");
    if (!exists(path) && exists(lower)) path = lower;
  }
  if (!isAbsolute(path)) path = join(directory, path);
  try {
    return relative(directory, realpathSync(path));
  } catch (error) {
    throw new Error(
      `unable to evaluate symlinks in Dockerfile path: ${openError(path, error, "lstat").message}`,
    );
  }
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function readIgnore(directory: string): string[] {
  try {
    return readPatterns(readFileSync(join(directory, IGNORE), "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw openError(join(directory, IGNORE), error);
  }
}

/** A local directory. `stdin`: the Dockerfile's text, when it comes from there. Throws with docker's words. */
export async function directoryContext(
  given: string,
  dockerfile: string,
  stdin?: AsyncIterable<Uint8Array>,
): Promise<BuildContext> {
  const prepare = (work: () => string): string => {
    try {
      return work();
    } catch (error) {
      throw new Error(`unable to prepare context: ${(error as Error).message}`);
    }
  };
  const directory = prepare(() => {
    const path = realpathSync(resolve(given));
    if (!statSync(path).isDirectory()) throw new Error(`context must be a directory: ${path}`);
    return path;
  });
  const outside = (path: string) => path === ".." || path.startsWith("../");
  let name = stdin
    ? "-"
    : prepare(() => dockerfileIn(directory, dockerfile === "" ? "" : resolve(dockerfile)));
  const text = stdin ? await collect(stdin) : outside(name) ? readFileSync(resolve(dockerfile)) : undefined;
  const patterns = readIgnore(directory);
  const rules = new IgnoreRules(patterns);
  // The engine leaves these two out of the build itself, but it must see them.
  const needed = [IGNORE, ...(text ? [] : [name])].filter((file) => rules.ignores(file));
  const all = new IgnoreRules([...patterns, ...needed.map((file) => `!${file}`)]);
  const extra: Uint8Array[] = [];
  if (text) {
    name = `.dockerfile.${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`;
    const own = exists(join(directory, IGNORE)) ? readFileSync(join(directory, IGNORE), "utf8") : IGNORE;
    extra.push(member(name, text), member(IGNORE, Buffer.from(`${own}\n${name}\n`)));
  }
  const chunks = packTree(directory, {
    owner: { uid: 0, gid: 0 },
    wholeSeconds: true,
    choose: (path, isDirectory) =>
      text && path === IGNORE ? "leave" : all.choose(showName(path), isDirectory),
  });
  return { chunks: extra.length > 0 ? joined(extra, chunks) : chunks, dockerfile: name };
}

async function* joined(
  first: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* rest;
}

export const isGitUrl = (text: string): boolean =>
  /^https?:\/\/.*\.git(#.*)?$/.test(text) || /^(git:\/\/|github\.com\/|git@)/.test(text);

/** Clones URL[#REF[:SUBDIRECTORY]] into a directory of its own, which goes with the process. Throws what git says. */
export async function cloneContext(url: string): Promise<string> {
  const [remote = "", fragment = ""] = url.split("#", 2);
  const [reference = "", subdirectory = ""] = fragment.split(":", 2);
  const root = mkdtempSync(join(tmpdir(), "docker-build-git"));
  process.on("exit", () => rmSync(root, { recursive: true, force: true }));
  const source = remote.startsWith("github.com/") ? `https://${remote}` : remote;
  const git = async (...words: string[]) => {
    const child = Bun.spawn(["git", ...words], {
      env: childEnvironment({ GIT_PROTOCOL_FROM_USER: "0" }),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    if (code !== 0) {
      throw new Error(
        `unable to prepare context: unable to 'git clone' to temporary context directory: error fetching: ${errors.trim()}: exit status ${code}`,
      );
    }
  };
  try {
    await git("init", "--quiet", root);
    await git("-C", root, "remote", "add", "origin", "--", source);
    await git("-C", root, "fetch", "--quiet", "--depth", "1", "origin", "--", reference || "HEAD");
    await git("-C", root, "checkout", "--quiet", "FETCH_HEAD");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new Error("unable to prepare context: unable to find 'git': executable file not found in $PATH");
    }
    throw error;
  }
  const directory = realpathSync(join(root, subdirectory));
  if (directory !== realpathSync(root) && !directory.startsWith(`${realpathSync(root)}/`)) {
    throw new Error(`unable to prepare context: ${subdirectory} is outside of the repository`);
  }
  return directory;
}
