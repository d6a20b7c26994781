// POST /images/{name}/push: one tag, or every tag of a repository, with dockerd's lines.
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { layerCompression } from "../../../spec/oci/image.ts";
import { parsePlatform } from "../../../spec/oci/platform.ts";
import {
  type Descriptor,
  type Platform,
  ServiceError,
  type TransferProgress,
} from "../../../wire/containerd/services.ts";
import {
  familiarName,
  familiarString,
  formatReference,
  fullName,
  InvalidReference,
  parseReference,
  type Reference,
} from "../../../wire/distribution/reference.ts";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import type { RouteContext } from "../server/request.ts";
import { streamJsonOnceSaid } from "../server/stream.ts";
import { registryAuth } from "./auth.ts";
import { recordReference } from "./catalog.ts";
import { bar } from "./progress.ts";
import { isInsecure } from "./registries.ts";

const INTERVAL_MS = 100;

const WORDS: Partial<Record<TransferProgress["event"], string>> = {
  waiting: "Preparing",
  uploading: "Pushing",
  exists: "Layer already exists",
  complete: "Pushed",
};

/** Turns a push's progress into lines; layers only, and none too soon after the last. */
export class PushProgress {
  readonly #last = new Map<string, { event: string; at: number }>();

  line(progress: TransferProgress, now = performance.now()): ProgressLine | undefined {
    const { id, event, mediaType, from, progress: current, total } = progress;
    const status = event === "mounted" ? `Mounted from ${from ?? ""}` : WORDS[event];
    if (id === undefined || status === undefined) return undefined;
    if (mediaType !== undefined && layerCompression(mediaType) === undefined) return undefined;
    const last = this.#last.get(id);
    const running = event === "uploading" && current !== undefined;
    if (last?.event === event && (!running || (now - last.at < INTERVAL_MS && current !== total)))
      return undefined;
    this.#last.set(id, { event, at: now });
    const short = id.replace(/^[a-z0-9]+:/, "").slice(0, 12);
    if (!running) return { status, progressDetail: {}, id: short };
    return {
      status,
      progressDetail: { current, ...(total === undefined ? {} : { total }) },
      progress: bar(current, total ?? 0),
      id: short,
    };
  }
}

function readName(text: string, tag: string): Reference {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    if (error instanceof InvalidReference) throw badRequest(error.message);
    throw error;
  }
  if (reference.digest !== undefined) throw badRequest("cannot push a digest reference");
  if (tag === "") return reference;
  try {
    return parseReference(`${fullName(reference)}:${tag}`);
  } catch (error) {
    if (error instanceof InvalidReference) throw badRequest(error.message);
    throw error;
  }
}

function readPlatform(text: string | undefined): Platform | undefined {
  if (!text) return undefined;
  // API 1.46 sends an OCI platform as JSON, people write "os/arch".
  try {
    if (text.startsWith("{")) {
      const { os, architecture, variant } = JSON.parse(text) as Platform;
      return { os, architecture, ...(variant ? { variant } : {}) };
    }
    return parsePlatform(text);
  } catch (error) {
    throw badRequest((error as Error).message);
  }
}

/** The references that are pushed: the one that was named, or all tags of its repository. Throws Error in docker's words. */
async function chosen(engine: Engine, name: Reference): Promise<Reference[]> {
  const records = await engine.services.images.list(engine.namespace);
  const tags = records.flatMap((record) => {
    const reference = recordReference(record.name);
    const own = reference?.domain === name.domain && reference.path === name.path;
    return own && reference.tag !== undefined && reference.digest === undefined ? [reference] : [];
  });
  if (tags.length === 0) {
    throw new Error(`An image does not exist locally with the tag: ${familiarName(name)}`);
  }
  if (name.tag === undefined) return tags;
  const one = tags.find(({ tag }) => tag === name.tag);
  if (!one) throw new Error(`tag does not exist: ${familiarString(name)}`);
  return [one];
}

export async function pushRoute(engine: Engine, c: RouteContext): Promise<Response> {
  const name = readName(c.req.param("name") ?? "", c.req.query("tag") ?? "");
  const platform = readPlatform(c.req.query("platform"));
  const auth = registryAuth(c.req.header("x-registry-auth"));
  const pushOne = async (
    reference: Reference,
    signal: AbortSignal,
    say: (line: ProgressLine) => void,
  ): Promise<Descriptor> => {
    const progress = new PushProgress();
    return await engine.services.transfer.push(
      engine.namespace,
      {
        reference: formatReference(reference),
        ...(auth ? { auth } : {}),
        ...(platform ? { platform } : {}),
        singleIfIncomplete: platform === undefined,
        insecure: isInsecure(reference.domain, engine.config.insecureRegistries),
        signal,
      },
      (report) => {
        const line = progress.line(report);
        if (line) say(line);
      },
    );
  };
  return await streamJsonOnceSaid(c, { shutdown: engine.shutdown }, async (write, signal) => {
    await write({ status: `The push refers to repository [${fullName(name)}]` } satisfies ProgressLine);
    for (const reference of await chosen(engine, name)) {
      // Reports come from callbacks; they are written in their order.
      let saying: Promise<void> = Promise.resolve();
      let pushed: Descriptor;
      try {
        pushed = await pushOne(reference, signal, (line) => {
          saying = saying.then(() => write(line)).catch(() => {});
        });
      } catch (error) {
        await saying;
        // It is the registry that is not there, not this engine.
        throw error instanceof ServiceError ? new Error(error.message, { cause: error }) : error;
      }
      await saying;
      const { digest, size } = pushed;
      const { tag } = reference;
      await write({ status: `${tag}: digest: ${digest} size: ${size}` } satisfies ProgressLine);
      await write({
        progressDetail: {},
        aux: { Tag: tag, Digest: digest, Size: size },
      } satisfies ProgressLine);
      engine.events.publish("image", "push", {
        ID: familiarString(reference),
        Attributes: { name: familiarName(reference) },
      });
    }
  });
}
