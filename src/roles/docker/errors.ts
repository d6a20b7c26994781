// How a verb ends when it does not end well.

/** Ends the client with this exit code, after saying `message` (nothing when it is empty). */
export class ExitError extends Error {
  override readonly name = "ExitError";
  constructor(
    readonly code: number,
    message = "",
  ) {
    super(message);
  }
}

/** The words for any error, as docker prints them. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs `work` for each name; failures are told at the end, one line each. Returns the exit code. */
export async function each(
  names: readonly string[],
  work: (name: string) => Promise<void>,
  tell: (line: string) => void,
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      await work(name);
    } catch (error) {
      if (error instanceof ExitError) throw error;
      tell(`${reason(error)}\n`);
      code = 1;
    }
  }
  return code;
}

/** docker/cli: cli/command/container/utils.go, parallelOperation */
const AT_ONCE = 50;

/**
 * As `each`, but up to fifty names are worked on at once; `done` (what is said of one) runs in the order of the names.
 */
export async function together<T>(
  names: readonly string[],
  work: (name: string) => Promise<T>,
  done: (name: string, result: T) => void,
  tell: (line: string) => void,
): Promise<number> {
  const outcomes = names.map(() => Promise.withResolvers<T>());
  for (const { promise } of outcomes) promise.catch(() => {});
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < names.length) {
      const at = next++;
      await work(names[at]!).then(outcomes[at]!.resolve, outcomes[at]!.reject);
    }
  };
  for (let n = Math.min(AT_ONCE, names.length); n > 0; n--) void lane();
  let at = 0;
  return each(names, async (name) => done(name, await outcomes[at++]!.promise), tell);
}

const ERRNO: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EEXIST: "file exists",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  EROFS: "read-only file system",
  ENOSPC: "no space left on device",
};

/** A failed file call in Go's words: "open PATH: no such file or directory". */
export function openError(path: string, error: unknown, call = "open"): Error {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new Error(`${call} ${path}: ${ERRNO[code] ?? message}`);
}
