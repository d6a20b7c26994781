// POST /images/load: docker-archives (manifest.json, with layers as layer.tar in directories or as blobs) and OCI layouts.
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { openName, toByteName } from "../../../../ffi/tree.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { ArchiveError } from "../../../store/tar/entry.ts";
import { applyTar } from "../../../store/tar/extract.ts";
import { familiarString } from "../../../wire/distribution/reference.ts";
import { uncompressed } from "../build/archive.ts";
import type { Engine } from "../engine.ts";
import { badRequest, toApiError } from "../errors.ts";
import { boolean, type RouteContext } from "../server/request.ts";
import { streamJsonOnceSaid } from "../server/stream.ts";
import { leased } from "./leased.ts";
import { type ArchivedImage, readArchive } from "./load-archive.ts";
import { storeArchived } from "./load-image.ts";
import { clientReference } from "./resolve.ts";

let swept = false;

/** Unpacks the body aside: what names what comes last in such archives. */
async function unpack(
  body: AsyncIterable<Uint8Array>,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await applyTar(uncompressed(body), directory, { plainNames: true, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ArchiveError) throw badRequest(`Error processing tar file: ${error.message}`);
    throw error;
  }
}

async function name(
  engine: Engine,
  image: ArchivedImage,
  id: string,
  say: (line: ProgressLine) => Promise<void>,
): Promise<void> {
  if (image.names.length === 0) {
    await say({ stream: `Loaded image ID: ${id}\n` });
    return;
  }
  for (const text of image.names) {
    const reference = clientReference(text);
    const old = await engine.images.get(text).catch(() => undefined);
    if (old && old.id !== id && old.repoTags.length === 1) {
      const shown = familiarString(reference);
      await say({
        stream: `The image ${shown} already exists, renaming the old one with ID ${old.id} to empty string\n`,
      });
    }
    await engine.images.tag(id, text, "");
    await say({ stream: `Loaded image: ${familiarString(reference)}\n` });
  }
}

/**
 * Loads every image of an archive. `say` gets dockerd's progress lines.
 * Throws ApiError 400 for an archive that is none, ServiceError when a layer is not what the image says.
 */
export async function loadImages(
  engine: Engine,
  body: AsyncIterable<Uint8Array>,
  options: { quiet: boolean; signal: AbortSignal },
  say: (line: ProgressLine) => Promise<void>,
): Promise<void> {
  const all = join(engine.config.dataRoot, "tmp", "loads");
  // What loads left that ended with an earlier engine.
  if (!swept) rmSync(all, { recursive: true, force: true });
  swept = true;
  const directory = join(all, randomUUID());
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    await unpack(body, directory, options.signal);
    using root = openName(AT_FDCWD, toByteName(directory), O_RDONLY | O_DIRECTORY);
    const images = readArchive(root);
    for (const image of images) {
      options.signal.throwIfAborted();
      const id = await leased(engine.services, engine.namespace, "load", () =>
        storeArchived(engine, root, image, options.quiet ? async () => {} : say),
      );
      await name(engine, image, id, say);
      const loaded = await engine.images.get(id);
      engine.events.publish("image", "load", {
        ID: id,
        Attributes: { ...(loaded.config.config?.Labels ?? {}), name: image.names[0] ?? id },
      });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** POST /images/load */
export async function loadRoute(engine: Engine, c: RouteContext): Promise<Response> {
  const body = c.req.raw.body as AsyncIterable<Uint8Array> | null;
  if (!body) throw badRequest("the archive is missing: the request has no body");
  const quiet = boolean(c.req.query("quiet"), true);
  return await streamJsonOnceSaid(c, { shutdown: engine.shutdown }, async (write, signal) => {
    try {
      await loadImages(engine, body, { quiet, signal }, write);
    } catch (error) {
      // Of all progress streams only this one never refuses by its status: clients look into the stream (docker-py does).
      const { message } = toApiError(error);
      await write({ errorDetail: { message }, error: message });
    }
  });
}
