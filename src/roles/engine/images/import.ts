// POST /images/create?fromSrc=…: a file system archive as an image of one layer.
import type { DockerImageConfig, ProgressLine } from "../../../spec/engine/image.ts";
import { hostPlatform, normalize, type PlatformSpec, parsePlatform } from "../../../spec/oci/platform.ts";
import { familiarString, type Reference } from "../../../wire/distribution/reference.ts";
import { uncompressed } from "../build/archive.ts";
import { applyChanges } from "../build/changes.ts";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import type { RouteContext } from "../server/request.ts";
import { streamJsonOnceSaid } from "../server/stream.ts";
import { leased } from "./leased.ts";
import { clientReference } from "./resolve.ts";
import { runConfig } from "./run-config.ts";
import { putLayer, unpackLayer, type WriteGround } from "./write.ts";

interface ImportRequest {
  name: Reference | undefined;
  message: string;
  changes: string[];
  platform: PlatformSpec;
}

function readPlatform(text: string): PlatformSpec {
  if (text === "") return normalize(hostPlatform);
  try {
    return normalize(parsePlatform(text));
  } catch (error) {
    throw badRequest((error as Error).message);
  }
}

/** Stores the archive as an image. Returns its id. Throws ArchiveError, ServiceError. */
async function importImage(
  engine: Engine,
  archive: AsyncIterable<Uint8Array>,
  request: ImportRequest,
): Promise<string> {
  const { services, namespace } = engine;
  const ground: WriteGround = { services, namespace, snapshotter: engine.config.snapshotter };
  return await leased(services, namespace, "import", async () => {
    const layer = await putLayer(ground, uncompressed(archive));
    await unpackLayer(ground, layer, "");
    const created = new Date().toISOString();
    const { architecture, os, variant } = request.platform;
    const config: DockerImageConfig = {
      created,
      architecture,
      os,
      ...(variant ? { variant } : {}),
      config: runConfig(applyChanges({}, request.changes)),
      rootfs: { type: "layers", diff_ids: [layer.diffId] },
      history: [{ created, comment: request.message }],
    };
    const id = await engine.images.create({ config, layers: [layer.descriptor] });
    const { name } = request;
    if (name) await engine.images.tag(id, familiarString(name), "");
    engine.events.publish("image", "import", {
      ID: id,
      Attributes: { name: name ? familiarString(name) : id },
    });
    return id;
  });
}

async function open(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) {
    throw badRequest(
      `unable to fetch ${url}: server replied ${response.status} ${response.statusText}`.trim(),
    );
  }
  return response.body as unknown as AsyncIterable<Uint8Array>;
}

export async function importRoute(engine: Engine, c: RouteContext): Promise<Response> {
  const query = (name: string): string => c.req.query(name) ?? "";
  const source = query("fromSrc");
  const repository = query("repo");
  const name =
    repository === ""
      ? undefined
      : clientReference(query("tag") === "" ? repository : `${repository}:${query("tag")}`);
  if (name?.digest !== undefined) throw badRequest("cannot import digest reference");
  const request: ImportRequest = {
    name,
    message: query("message") || `Imported from ${source}`,
    changes: c.req.queries("changes") ?? [],
    platform: readPlatform(query("platform")),
  };
  // A bad change is told before anything is read.
  applyChanges({}, request.changes);
  const body = c.req.raw.body as AsyncIterable<Uint8Array> | null;
  if (source === "-" && !body) throw badRequest("the import needs an archive: the request has no body");
  return await streamJsonOnceSaid(c, { shutdown: engine.shutdown }, async (write, signal) => {
    const say = (line: ProgressLine): Promise<void> => write(line);
    let archive = body!;
    if (source !== "-") {
      const url = /^https?:\/\//.test(source) ? source : `http://${source}`;
      await say({ status: `Downloading from ${url}` });
      archive = await open(url, signal);
    }
    await say({ status: await importImage(engine, archive, request) });
  });
}
