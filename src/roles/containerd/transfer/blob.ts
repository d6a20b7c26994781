// One blob into the content store: resumed where an earlier attempt stopped, verified before it is visible.
import { release } from "../../../store/release.ts";
import { type ContentWriter, type Descriptor, ServiceError } from "../../../wire/containerd/services.ts";
import { pause, pauseBefore } from "../../../wire/distribution/retry.ts";
import { hasCode } from "./codes.ts";
import type { Session } from "./session.ts";

/** containerd's name for a blob's ingest, so that either one resumes what the other began (remotes.MakeRefKey). */
export function ingestRef({ mediaType, digest }: Descriptor): string {
  if (/manifest/.test(mediaType)) return `manifest-${digest}`;
  if (/image\.index/.test(mediaType)) return `index-${digest}`;
  if (/(rootfs|layer)/.test(mediaType)) return `layer-${digest}`;
  if (/(config|container\.image)/.test(mediaType)) return `config-${digest}`;
  return `unknown-${digest}`;
}

/** Who reads a blob while it comes in. What it throws ends the download. */
export interface Watcher {
  /** Called once, before bytes come. */
  begin(file: string): void;
  /** The file's first `size` bytes are there. */
  grown(size: number): void;
}

/** Whether the blob is in the store of our namespace; then the lease holds it. */
export async function holdBlob(session: Session, digest: string): Promise<boolean> {
  const { services, ns, lease } = session;
  try {
    await services.leases.addResource(ns, lease, { type: "content", id: digest });
    await services.content.info(ns, digest);
    return true;
  } catch (error) {
    if (hasCode(error, "NotFound")) return false;
    throw error;
  }
}

/**
 * Brings a blob into the content store. Returns "there" when it was in it before (the watcher was told nothing), "fetched" otherwise.
 * Throws ServiceError; the ingest stays for the next attempt unless its bytes were wrong.
 */
export async function fetchBlob(
  session: Session,
  descriptor: Descriptor,
  labels: Record<string, string>,
  watcher?: Watcher,
): Promise<"there" | "fetched"> {
  const { ns, services, signal, report } = session;
  const { digest, mediaType } = descriptor;
  return await session.locks.run(`blob ${ns} ${digest}`, signal, async () => {
    if (await holdBlob(session, digest)) return "there";
    const ref = ingestRef(descriptor);
    await services.leases.addResource(ns, session.lease, { type: "ingests", id: ref });
    const writer = await openWriter(session, ref, descriptor);
    if (writer === undefined) return "there";
    try {
      if (writer.file !== undefined) watcher?.begin(writer.file);
      await copy(session, descriptor, writer, writer.file === undefined ? undefined : watcher);
      report({ event: "verifying", id: digest, digest, mediaType });
      await commit(writer, descriptor, labels);
      return "fetched";
    } catch (error) {
      await writer.close().catch(() => {});
      // What a cancelled pull or a broken connection left is resumed; bytes that are wrong, or that filled the disk, are not.
      if (!signal.aborted && !hasCode(error, "Unavailable")) {
        await services.content.abort(ns, ref).catch(() => {});
      }
      throw error;
    } finally {
      await writer.close().catch(() => {});
    }
  });
}

async function commit(
  writer: ContentWriter,
  { digest, size }: Descriptor,
  labels: Record<string, string>,
): Promise<void> {
  try {
    await writer.commit(size, digest, labels);
  } catch (error) {
    if (hasCode(error, "AlreadyExists")) return;
    if (!hasCode(error, "FailedPrecondition")) throw error;
    throw new ServiceError("DataLoss", `filesystem layer verification failed for digest ${digest}`, {
      cause: error,
    });
  }
}

/** The writer for a blob; undefined when the blob turned up meanwhile. Waits while another process holds the ingest. */
async function openWriter(
  session: Session,
  ref: string,
  { digest, size }: Descriptor,
): Promise<ContentWriter | undefined> {
  for (let wait = 50; ; wait = Math.min(wait * 2, 2000)) {
    try {
      return await session.services.content.writer(session.ns, ref, { total: size, expected: digest });
    } catch (error) {
      if (hasCode(error, "AlreadyExists")) return undefined;
      if (!hasCode(error, "Unavailable")) throw error;
    }
    await pause(wait, session.signal);
    if (await holdBlob(session, digest)) return undefined;
  }
}

/** Downloads from the writer's offset on, again after a broken connection, until the blob is whole. */
async function copy(
  session: Session,
  descriptor: Descriptor,
  writer: ContentWriter,
  watcher?: Watcher,
): Promise<void> {
  const { signal, retry, report } = session;
  const { digest, size, mediaType } = descriptor;
  let offset = writer.status().offset;
  if (offset > size) {
    await writer.truncate(0);
    offset = 0;
  }
  report({ event: "downloading", id: digest, digest, mediaType, progress: offset, total: size });
  watcher?.grown(offset);
  for (let attempt = 1; offset < size; attempt++) {
    try {
      const stream = await session.fetcher.blob(digest, offset, signal);
      let skip = offset - stream.offset;
      for await (const received of stream.bytes) {
        signal.throwIfAborted();
        const chunk = received.subarray(Math.min(skip, received.length));
        skip -= received.length - chunk.length;
        if (chunk.length === 0) continue;
        if (offset + chunk.length > size) throw longer(descriptor);
        await writer.write(chunk);
        offset += chunk.length;
        watcher?.grown(offset);
        release(received);
        report({ event: "downloading", id: digest, digest, mediaType, progress: offset, total: size });
        // Bytes came: the connection was good, count anew.
        attempt = 1;
      }
      if (offset >= size) return;
      throw new ServiceError("Unavailable", `unexpected EOF after ${offset} of ${size} bytes of ${digest}`);
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, "OutOfRange")) throw shorter(descriptor, offset, error);
      if (!hasCode(error, "Unavailable") || attempt >= retry.attempts) throw error;
    }
    await pause(pauseBefore(attempt + 1, retry), signal);
  }
}

const longer = ({ digest, size }: Descriptor) =>
  new ServiceError("DataLoss", `blob ${digest} is longer than the ${size} bytes that its descriptor says`);

const shorter = ({ digest, size }: Descriptor, offset: number, cause: unknown) =>
  new ServiceError(
    "DataLoss",
    `blob ${digest} is truncated: the registry has ${offset} of its ${size} bytes`,
    { cause },
  );
