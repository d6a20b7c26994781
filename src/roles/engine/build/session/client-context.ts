// A build context that stays with the client: the Dockerfile comes first, and of the files only those that the build names.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { badRequest } from "../../errors.ts";
import type { BuildContext, ContextTree } from "../context.ts";
import { IGNORE, openTree, unpack, workDirectory } from "../context.ts";
import { ignoreLines } from "../dockerignore.ts";
import type { BuildOptions } from "../options.ts";
import type { TraceReport } from "../trace-report.ts";
import type { ClientSession } from "./client-session.ts";
import { readTree, type TreeRequest } from "./file-sync.ts";

/** Not more than one line in this time while bytes run, in milliseconds. */
const INTERVAL = 150;

interface Loading {
  session: ClientSession;
  report: TraceReport;
  signal: AbortSignal;
}

/** Fetches a part of a directory of the client's, and shows it as a step of its own. */
async function load(
  { session, report, signal }: Loading,
  step: string,
  what: string,
  into: string,
  directory: "context" | "dockerfile",
  request: TreeRequest,
): Promise<void> {
  const vertex = await report.begin(step);
  const { started } = vertex;
  let current = 0;
  let shown = started;
  let telling: Promise<void> = Promise.resolve();
  const onBytes = (total: number): void => {
    current = total;
    if (Date.now() - shown < INTERVAL) return;
    shown = Date.now();
    telling = telling.then(() => report.part(vertex, what, { current, started })).catch(() => {});
  };
  try {
    await unpack(readTree(session, directory, { ...request, signal, onBytes }), into, signal);
    await telling;
    await report.part(vertex, what, { current, started, done: true });
    await report.complete(vertex);
  } catch (error) {
    await report.complete(vertex, { error: (error as Error).message });
    throw error;
  }
}

function textIn(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), "utf8");
  } catch (error) {
    if (["ENOENT", "EISDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

async function loadDockerfile(loading: Loading, scratch: string, name: string) {
  if (name.split("/").includes("..")) throw badRequest(`Forbidden path outside the build context: ${name}`);
  const directory = join(scratch, "definition");
  const step = `[internal] load build definition from ${name}`;
  // An old habit: "Dockerfile" is asked for where only "dockerfile" is.
  const include = [name, `${name}${IGNORE}`, ...(name === "Dockerfile" ? ["dockerfile"] : [])];
  await load(loading, step, "transferring dockerfile:", directory, "dockerfile", { include });
  const dockerfile =
    textIn(directory, name) ?? (name === "Dockerfile" ? textIn(directory, "dockerfile") : undefined);
  if (dockerfile === undefined) {
    throw badRequest(`failed to read dockerfile: open ${name}: no such file or directory`);
  }
  return { dockerfile, ownIgnore: textIn(directory, `${name}${IGNORE}`) };
}

async function loadIgnore(loading: Loading, scratch: string): Promise<string> {
  const directory = join(scratch, "ignore");
  await load(loading, `[internal] load ${IGNORE}`, "transferring context:", directory, "context", {
    include: [IGNORE],
  });
  return textIn(directory, IGNORE) ?? "";
}

/** The files, fetched when the first step asks for some. */
class ClientTree {
  #tree: ContextTree | undefined;
  /** What has been asked for; undefined for all there is. */
  #follow: readonly string[] | undefined = [];
  #loads = 0;

  constructor(
    private readonly loading: Loading,
    private readonly scratch: string,
    private readonly exclude: readonly string[],
    /** Paths that the whole build will ask for; undefined when they cannot be told beforehand. */
    private readonly expected: () => readonly string[] | undefined,
  ) {}

  async get(sources: readonly string[]): Promise<ContextTree> {
    const known = this.#follow === undefined || sources.every((source) => this.#follow!.includes(source));
    if (this.#tree && known) return this.#tree;
    const expected = this.#tree ? undefined : this.expected();
    this.#follow = expected && [...new Set([...expected, ...sources])];
    const path = join(this.scratch, `context-${this.#loads++}`);
    await load(this.loading, "[internal] load build context", "transferring context:", path, "context", {
      exclude: this.exclude,
      ...(this.#follow ? { follow: this.#follow } : {}),
    });
    this.close();
    this.#tree = { fd: openTree(path), path };
    return this.#tree;
  }

  close(): void {
    this.#tree?.fd.close();
  }
}

/**
 * The context of a build that came with a session.
 * @param expected paths that the Dockerfile names, asked for once the Dockerfile is there; undefined for all there is
 * Throws ApiError, ServiceError, Error in the client's words; nothing is left on disk then.
 */
export async function clientContext(
  dataRoot: string,
  options: Pick<BuildOptions, "dockerfile">,
  loading: Loading,
  expected: (dockerfile: string) => readonly string[] | undefined,
): Promise<BuildContext> {
  const scratch = workDirectory(dataRoot);
  const clear = (): void => rmSync(scratch, { recursive: true, force: true });
  try {
    const { dockerfile, ownIgnore } = await loadDockerfile(loading, scratch, options.dockerfile);
    const ignore = ownIgnore ?? (await loadIgnore(loading, scratch));
    const tree = new ClientTree(loading, scratch, ignoreLines(ignore), () => expected(dockerfile));
    return {
      tree: (sources) => tree.get(sources),
      dockerfile,
      scratch,
      [Symbol.dispose]() {
        tree.close();
        clear();
      },
    };
  } catch (error) {
    clear();
    throw error;
  }
}
