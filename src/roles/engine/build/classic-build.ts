// POST /build as dockerd's classic builder answers it: the context comes as the request's body or from a URL.
import type { Engine } from "../engine.ts";
import { anySignal } from "../server/any-signal.ts";
import type { RouteContext } from "../server/request.ts";
import { streamJson } from "../server/stream.ts";
import { credentialsIn } from "./base.ts";
import { ClassicReport } from "./classic-report.ts";
import { receiveContext } from "./context.ts";
import { type BuildOptions, readRegistryConfig } from "./options.ts";
import { counted, perform, type ReadDockerfile, readDockerfile } from "./perform.ts";
import { register } from "./running.ts";
import { classicWording } from "./wording.ts";

export async function classicBuild(
  engine: Engine,
  c: RouteContext,
  options: BuildOptions,
): Promise<Response> {
  const credentials = credentialsIn(readRegistryConfig(c.req.header("x-registry-config")));
  const cancel = new AbortController();
  const body = c.req.raw.body as AsyncIterable<Uint8Array> | null;
  using early = anySignal([c.req.raw.signal, engine.shutdown, cancel.signal]);
  const context = await receiveContext(engine.config.dataRoot, options, body, early.signal);
  let dockerfile: ReadDockerfile;
  try {
    dockerfile = readDockerfile(context.dockerfile);
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
  return streamJson(c, { shutdown: engine.shutdown }, async (write, gone) => {
    using held = context;
    const signal = AbortSignal.any([gone, cancel.signal]);
    const report = new ClassicReport(write, options.quiet);
    using _registered = register(options.buildId, cancel);
    const build = { engine, options, context: held, dockerfile, report, credentials, signal };
    await counted(report, signal, () => perform({ ...build, wording: classicWording, session: undefined }));
  });
}
