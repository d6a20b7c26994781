// POST /images/create?fromImage=…: a refusal before the first line is a status, later it comes in-band.

import type { ProgressLine } from "../../../spec/engine/image.ts";
import { familiarString } from "../../../wire/distribution/reference.ts";
import type { Engine } from "../engine.ts";
import { toApiError } from "../errors.ts";
import { anySignal } from "../server/any-signal.ts";
import type { RouteContext } from "../server/request.ts";
import { streamJson } from "../server/stream.ts";
import { registryAuth } from "./auth.ts";
import { PullProgress } from "./progress.ts";
import { clientReference } from "./resolve.ts";

/** "image" + "tag" of the query → one reference; a tag may be a digest. */
export function pullReference(image: string, tag: string | undefined): string {
  if (!tag) return image;
  return tag.includes(":") ? `${image}@${tag}` : `${image}:${tag}`;
}

export async function pullImage(engine: Engine, c: RouteContext): Promise<Response> {
  const text = pullReference(c.req.query("fromImage") ?? "", c.req.query("tag") || undefined);
  const reference = clientReference(text);
  const gone = new AbortController();
  const queue: ProgressLine[] = [];
  let wake: (() => void) | undefined;
  let started: () => void = () => {};
  const start = new Promise<void>((resolve) => {
    started = resolve;
  });
  const push = (line: ProgressLine): void => {
    queue.push(line);
    wake?.();
  };
  const progress = new PullProgress();
  let first = true;
  const any = anySignal([gone.signal, c.req.raw.signal, engine.shutdown]);
  const pull = engine.images.pull(text, {
    platform: c.req.query("platform") || undefined,
    auth: registryAuth(c.req.header("x-registry-auth")),
    signal: any.signal,
    onProgress(report) {
      if (first) {
        first = false;
        push({ status: `Pulling from ${reference.path}`, id: reference.digest ?? reference.tag });
        started();
      }
      for (const line of progress.lines(report)) push(line);
    },
  });
  const outcome = pull
    .finally(() => any[Symbol.dispose]())
    .then(
      ({ image, changed }) => ({ image, changed }),
      (error: unknown) => ({ error }),
    );
  // Until something has been said, a failure still has its own status.
  await Promise.race([start, outcome]);
  if (first) {
    const result = await outcome;
    if ("error" in result) throw result.error;
  }
  return streamJson(c, { shutdown: engine.shutdown }, async (write, signal) => {
    signal.addEventListener("abort", () => gone.abort(signal.reason), { once: true });
    let finished = false;
    void outcome.then(() => {
      finished = true;
      wake?.();
    });
    while (!finished || queue.length > 0) {
      const line = queue.shift();
      if (line) await write(line);
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    const result = await outcome;
    if ("error" in result) {
      const { message } = toApiError(result.error);
      await write({ errorDetail: { message }, error: message });
      return;
    }
    await write({ status: `Digest: ${result.image.targetDigest}` });
    const name = familiarString(reference);
    await write({
      status: result.changed
        ? `Status: Downloaded newer image for ${name}`
        : `Status: Image is up to date for ${name}`,
    });
  });
}
