// Where the milliseconds of a `docker run` go: each role appends its spans to one file, named by BUNKER_TRACE in the
// daemon's environment and handed from role to role. Off (and free) when the variable is absent.
/** Environment variable that names the span file. Passed on explicitly by the engine to shims, and by shims to the runtime. */
export const TRACE_VARIABLE = "BUNKER_TRACE";

export type Role = "docker" | "engine" | "containerd" | "shim" | "runtime";

/** One line of the span file. Times are milliseconds since the epoch, with fractions. */
export interface Span {
  role: Role;
  name: string;
  /** Container id, where the span belongs to one. */
  id?: string;
  start: number;
  ms: number;
  pid: number;
}

const file = process.env[TRACE_VARIABLE];

/** Whether spans are recorded. */
export const tracing = file !== undefined && file !== "";

const now = () => performance.timeOrigin + performance.now();

/** Starts a span; call the result when it ends. */
export function span(role: Role, name: string, id?: string): () => void {
  if (!tracing || !file) return () => {};
  const start = now();
  return () => {
    const line: Span = { role, name, id, start, ms: now() - start, pid: process.pid };
    try {
      // Loaded when there is something to write: the client, which times itself, needs no FFI otherwise.
      const { writeText } = require("../../ffi/path.ts") as typeof import("../../ffi/path.ts");
      writeText(file, `${JSON.stringify(line)}\n`, { append: true });
    } catch {
      // A trace that cannot be written must not fail the container that it describes.
    }
  };
}

/** Runs `work` inside a span, synchronous or not. */
export async function traced<T>(
  role: Role,
  name: string,
  id: string | undefined,
  work: () => T | Promise<T>,
): Promise<T> {
  const end = span(role, name, id);
  try {
    return await work();
  } finally {
    end();
  }
}
