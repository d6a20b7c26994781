// What every suite stands on: an opened containerd of its own, reached directly or through its socket.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openContainerd } from "../../../src/roles/containerd/services.ts";
import { createTransfer } from "../../../src/roles/containerd/transfer/index.ts";
import { connect } from "../../../src/wire/containerd/client/connect.ts";
import {
  type Envelope,
  ServiceError,
  type ServiceErrorCode,
  type Services,
} from "../../../src/wire/containerd/services.ts";

import { startContainerd } from "../../support/containerds.ts";

export interface Ground {
  services: Services;
  /** Debian's: where it is known to differ, and what is on its disk, is its own affair. */
  real?: true;
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

/** Debian's containerd through our client. */
export async function openReal(): Promise<Ground> {
  // Its collector would take what a test has not named yet.
  const config =
    '[plugins."io.containerd.gc.v1.scheduler"]\nstartup_delay = "1h"\nmutation_threshold = 1000000\n';
  const daemon = await startContainerd("real", { config });
  const client = await connect(daemon.address);
  return {
    real: true,
    // 1.6 has no transfer service: ours works over the others, as for the engine and ctr.
    services: { ...client.services, transfer: createTransfer(client.services) },
    root: daemon.root,
    async close() {
      await client.close();
      await daemon[Symbol.asyncDispose]();
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

const PING = "/suite/ping";

/** Collects events until as many came as are waited for. Resolves when the subscription is in force. */
export async function watch({ events }: Pick<Services, "events">, filters: string[] = []) {
  const abort = new AbortController();
  const asked = filters.length === 0 ? [] : [...filters, `topic==${JSON.stringify(PING)}`];
  const stream = events.subscribe(asked, abort.signal)[Symbol.asyncIterator]();
  const event = { typeUrl: "containerd.events.NamespaceCreate", value: new Uint8Array() };
  let heard = false;
  const first = stream.next().then(() => {
    heard = true;
  });
  while (!heard) {
    await events.publish("ping", PING, event);
    await Promise.race([first, Bun.sleep(10)]);
  }
  return {
    async take(count: number): Promise<Envelope[]> {
      const taken: Envelope[] = [];
      while (taken.length < count) {
        const next = await stream.next();
        if (next.done) break;
        if (next.value.topic !== PING) taken.push(next.value);
      }
      return taken;
    },
    async end() {
      abort.abort();
      await stream.next();
    },
  };
}

/** Makes a blob that another namespace has one of `ns` too, without sending it. */
export async function claim(content: Services["content"], ns: string, digest: string): Promise<void> {
  try {
    // containerd 1.6 hands out a writer that has only to be committed; others say at once that it is there.
    const writer = await content.writer(ns, `claim-${digest}`, { expected: digest });
    await writer.commit(0, digest);
  } catch (error) {
    if (!(error instanceof ServiceError && error.code === "AlreadyExists")) throw error;
  }
}
