// Answers that go on: JSON lines and byte streams whose head is sent at once and that stop when the client is gone.
import { toApiError } from "../errors.ts";
import { anySignal } from "./any-signal.ts";
import type { RouteContext } from "./request.ts";

// ES2026; not in TypeScript's library yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** JSON with bigints as bare numbers (nanosecond times do not fit a double). */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "bigint" ? rawJSON(item.toString()) : item,
  );
}

/**
 * Answers 200 at once and then whatever `produce` writes. `produce` gets a `write` that resolves when there is room for more
 * (backpressure) and a signal that fires when the client or the engine goes. What it throws after that ends the stream;
 * errors that clients shall see are written in-band by the caller.
 */
export function streamBytes(
  c: RouteContext,
  options: { contentType: string; shutdown?: AbortSignal },
  produce: (write: (bytes: Uint8Array | string) => Promise<void>, signal: AbortSignal) => Promise<void>,
): Response {
  const gone = new AbortController();
  const any = anySignal([c.req.raw.signal, gone.signal, options.shutdown]);
  const { signal } = any;
  const encoder = new TextEncoder();
  let wake: (() => void) | undefined;
  signal.addEventListener("abort", () => wake?.(), { once: true });
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const write = async (bytes: Uint8Array | string): Promise<void> => {
          if (signal.aborted) throw signal.reason;
          controller.enqueue(typeof bytes === "string" ? encoder.encode(bytes) : bytes);
          while ((controller.desiredSize ?? 1) <= 0 && !signal.aborted) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        };
        produce(write, signal)
          .catch((error: unknown) => {
            if (!signal.aborted) throw error;
          })
          .then(
            () => closeQuietly(controller),
            (error: unknown) => {
              try {
                controller.error(error);
              } catch {}
            },
          )
          .finally(() => any[Symbol.dispose]());
      },
      pull() {
        wake?.();
      },
      cancel() {
        gone.abort(new Error("client closed the connection"));
      },
    },
    { highWaterMark: 1 << 20, size: (chunk) => chunk?.byteLength ?? 1 },
  );
  return new Response(body, { status: 200, headers: { "Content-Type": options.contentType } });
}

function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close();
  } catch {
    // The client went first.
  }
}

/** JSON lines. dockerd ends each with CR LF in progress streams and with LF in events. */
export function streamJson(
  c: RouteContext,
  options: { shutdown?: AbortSignal; newline?: "\r\n" | "\n" },
  produce: (write: (value: unknown) => Promise<void>, signal: AbortSignal) => Promise<void>,
): Response {
  const newline = options.newline ?? "\r\n";
  return streamBytes(c, { contentType: "application/json", shutdown: options.shutdown }, (write, signal) =>
    produce((value) => write(`${toJson(value)}${newline}`), signal),
  );
}

/**
 * JSON lines whose answer begins with the first of them: until then a failure still has a status of its own, and a client
 * that sends a body is not answered before it was read (some close it then). Later failures are told in-band.
 */
export async function streamJsonOnceSaid(
  c: RouteContext,
  options: { shutdown?: AbortSignal },
  produce: (write: (value: unknown) => Promise<void>, signal: AbortSignal) => Promise<void>,
): Promise<Response> {
  const gone = new AbortController();
  const said = Promise.withResolvers<void>();
  const sink = Promise.withResolvers<(value: unknown) => Promise<void>>();
  const any = anySignal([c.req.raw.signal, gone.signal, options.shutdown]);
  const work = produce(async (value) => {
    said.resolve();
    await (await sink.promise)(value);
  }, any.signal).finally(() => any[Symbol.dispose]());
  await Promise.race([said.promise, work]);
  return streamJson(c, options, async (write, signal) => {
    signal.addEventListener("abort", () => gone.abort(signal.reason), { once: true });
    sink.resolve(write);
    try {
      await work;
    } catch (error) {
      const { message } = toApiError(error);
      await write({ errorDetail: { message }, error: message });
    }
  });
}
