// A git repository as a directory: contexts of builds (`docker build https://…#ref:directory`) and sources of ADD. The
// system's own git does the work. moby: builder/remotecontext/git
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { O_DIRECTORY, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { openInside, toByteName } from "../../../../ffi/tree.ts";
import { ApiError, badRequest } from "../errors.ts";
import { type ContextTree, openTree } from "./context.ts";
import { landingIn, partsOf } from "./tree.ts";

/** Whether a context's or a source's address is a repository's. */
export const isGit = (remote: string): boolean =>
  /^(git:\/\/|ssh:\/\/|git@|github\.com\/)/.test(remote) || /^https?:\/\/[^?#]*\.git(#.*)?$/.test(remote);

interface Address {
  url: string;
  /** A branch, a tag, a commit; "HEAD" for what the repository shows. */
  ref: string;
  directory: string;
}

/** Throws ApiError 400. */
function addressOf(remote: string): Address {
  const at = remote.indexOf("#");
  const url = at < 0 ? remote : remote.slice(0, at);
  const [ref = "", directory = ""] = at < 0 ? [] : remote.slice(at + 1).split(/:(.*)/s);
  // git would take it for an option.
  if (ref.startsWith("-")) throw badRequest(`invalid refspec: ${ref}`);
  return { url: url.startsWith("github.com/") ? `https://${url}` : url, ref: ref || "HEAD", directory };
}

class Git {
  constructor(
    private readonly remote: string,
    private readonly directory: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Throws ApiError with what git says, the signal's reason when it fires. */
  async run(...words: string[]): Promise<void> {
    this.signal.throwIfAborted();
    let child: Bun.Subprocess<"ignore", "ignore", "pipe">;
    try {
      child = Bun.spawn(["git", ...words], {
        cwd: this.directory,
        // No questions, no repositories of this host, no configuration but git's own.
        env: {
          PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
          HOME: this.directory,
          GIT_TERMINAL_PROMPT: "0",
          GIT_PROTOCOL_FROM_USER: "0",
          GIT_CONFIG_NOSYSTEM: "1",
        },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
        signal: this.signal,
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new ApiError(
        500,
        `building from ${this.remote} needs the program git, which is not installed on this engine's host: install it, or clone the repository and send the directory`,
      );
    }
    const said = (await new Response(child.stderr).text()).trim();
    const code = await child.exited;
    this.signal.throwIfAborted();
    if (code !== 0) {
      throw badRequest(
        `unable to prepare context: git ${words[0]} of ${this.remote}: ${said}: exit status ${code}`,
      );
    }
  }
}

/** Fetches one commit alone where the server allows that, else everything that leads to it. */
async function fetchInto(git: Git, { url, ref }: Address): Promise<void> {
  await git.run("init", "--quiet");
  await git.run("remote", "add", "origin", "--", url);
  try {
    await git.run("fetch", "--quiet", "--depth", "1", "origin", "--", ref);
    await git.run("checkout", "--quiet", "FETCH_HEAD");
  } catch (error) {
    // A commit that no name stands for is not given away by every server.
    if (!(error instanceof ApiError) || !/^[0-9a-f]{7,64}$/.test(ref)) throw error;
    await git.run("fetch", "--quiet", "--tags", "origin");
    await git.run("checkout", "--quiet", ref);
  }
  await git.run("submodule", "--quiet", "update", "--init", "--recursive", "--depth", "1");
}

/**
 * Clones `remote` ("URL[#REF[:DIRECTORY]]") into the new directory `into`. The descriptor is the caller's to close.
 * Throws ApiError, the signal's reason.
 */
export async function cloneGit(
  remote: string,
  into: string,
  options: { keepGitDir: boolean; signal: AbortSignal },
): Promise<ContextTree> {
  const address = addressOf(remote);
  mkdirSync(into, { recursive: true, mode: 0o755 });
  await fetchInto(new Git(remote, into, options.signal), address);
  if (!options.keepGitDir) rmSync(join(into, ".git"), { recursive: true, force: true });
  const root = openTree(into);
  if (partsOf(address.directory).length === 0) return { fd: root, path: into };
  using held = root;
  // The repository's symlinks lead nowhere out of it.
  const { parts } = landingIn(held, toByteName(address.directory));
  const fd = openInside(held, parts.join("/"), O_PATH | O_DIRECTORY);
  if (!fd) throw badRequest(`unable to prepare context: ${address.directory} is not in ${address.url}`);
  fd.close();
  const path = join(into, ...parts.map((part) => Buffer.from(part, "latin1").toString("utf8")));
  return { fd: openTree(path), path };
}
