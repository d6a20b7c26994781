// What every suite stands on: an opened containerd of its own, reached directly or through its socket.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openContainerd } from "../../../src/roles/containerd/services.ts";
import { connect } from "../../../src/wire/containerd/client/connect.ts";
import {
  type Envelope,
  ServiceError,
  type ServiceErrorCode,
  type Services,
} from "../../../src/wire/containerd/services.ts";

export interface Ground {
  services: Services;
  root: string;
  close(): Promise<void>;
}

export type Open = () => Promise<Ground>;

/** The services of this process. */
export async function openLocal(): Promise<Ground> {
  const base = mkdtempSync(join(tmpdir(), "bunker-containerd-"));
  const root = join(base, "root");
  const opened = await openContainerd({ root, state: join(base, "state"), address: join(base, "c.sock") });
  return {
    services: opened.services,
    root,
    async close() {
      await opened.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** The same through gRPC: client → server → local. */
export async function openRemote(): Promise<Ground> {
  const base = mkdtempSync(join(tmpdir(), "bunker-containerd-"));
  const root = join(base, "root");
  const address = join(base, "c.sock");
  const opened = await openContainerd({ root, state: join(base, "state"), address });
  await opened.serve(address);
  const client = await connect(address);
  return {
    services: client.services,
    root,
    async close() {
      await client.close();
      await opened.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** The error that a call fails with, which must be a ServiceError of that code. */
export async function refusal(call: Promise<unknown>, code: ServiceErrorCode): Promise<ServiceError> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (error.code !== code) throw new Error(`expected ${code}, got ${error.code}: ${error.message}`);
    return error;
  }
  throw new Error(`expected ${code}, but the call succeeded`);
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export const digestOf = (bytes: Uint8Array | string): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

/** Writes a blob in one go. */
export async function put(
  { content }: Pick<Services, "content">,
  ns: string,
  text: string,
  labels: Record<string, string> = {},
): Promise<string> {
  const bytes = bytesOf(text);
  const digest = digestOf(bytes);
  const writer = await content.writer(ns, `put-${digest}`, { total: bytes.length, expected: digest });
  await writer.write(bytes);
  await writer.commit(bytes.length, digest, labels);
  return digest;
}

export async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

/** Collects events until as many came as are waited for. */
export function watch({ events }: Pick<Services, "events">, filters: string[] = []) {
  const abort = new AbortController();
  const stream = events.subscribe(filters, abort.signal)[Symbol.asyncIterator]();
  return {
    async take(count: number): Promise<Envelope[]> {
      const taken: Envelope[] = [];
      while (taken.length < count) {
        const next = await stream.next();
        if (next.done) break;
        taken.push(next.value);
      }
      return taken;
    },
    async end() {
      abort.abort();
      await stream.next();
    },
  };
}
