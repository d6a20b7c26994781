// POST /build, /build/prune, /build/cancel

import { Hono } from "hono";
import { log } from "../../../observe/log.ts";
import type { Engine } from "../engine.ts";
import { badRequest, notImplemented, toApiError, unforeseen } from "../errors.ts";
import { leased } from "../images/leased.ts";
import { anySignal } from "../server/any-signal.ts";
import { Filters, type RouteContext, type RouteEnv } from "../server/request.ts";
import { streamJson } from "../server/stream.ts";
import { countBuild, countFailedBuild } from "../system/counts.ts";
import { Builder } from "./builder.ts";
import { noCache, openCache } from "./cache.ts";
import { type BuildContext, receiveContext } from "./context.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { type Plan, planStages } from "./dockerfile/stages.ts";
import { type BuildOptions, buildOptions, readRegistryConfig } from "./options.ts";
import { BuildOutput } from "./output.ts";
import { pruneBuildCache } from "./prune.ts";
import { CommandFailed } from "./run-step.ts";
import type { StepGround } from "./step.ts";

/** Builds under way that have an id, for /build/cancel. */
const running = new Map<string, AbortController>();

function ended(error: unknown, signal: AbortSignal): { message: string; code?: number } {
  if (signal.aborted) return { message: "Build cancelled" };
  if (error instanceof CommandFailed) return { message: error.message, code: error.code };
  if (!(error instanceof DockerfileError)) {
    log("debug", "build failed", { error: error as Error, ...unforeseen(error) });
  }
  return { message: toApiError(error).message };
}

function read(context: BuildContext): { plan: Plan; warnings: string[] } {
  try {
    const dockerfile = parseDockerfile(context.dockerfile);
    return { plan: planStages(dockerfile), warnings: dockerfile.warnings };
  } catch (error) {
    if (error instanceof DockerfileError) throw badRequest(error.message);
    throw error;
  }
}

async function perform(ground: StepGround, builder: Builder): Promise<void> {
  const { engine, options, output } = ground;
  const id = await leased(engine.services, engine.namespace, "build", () => builder.build());
  await output.stdout(`Successfully built ${id.slice("sha256:".length, "sha256:".length + 12)}\n`);
  if (options.quiet) await output.always({ stream: `${id}\n` });
  for (const tag of options.tags) {
    await engine.images.tag(id, tag, "");
    await output.stdout(
      `Successfully tagged ${tag.includes(":", tag.lastIndexOf("/") + 1) ? tag : `${tag}:latest`}\n`,
    );
  }
}

async function build(engine: Engine, c: RouteContext): Promise<Response> {
  const options: BuildOptions = buildOptions(c);
  const registries = readRegistryConfig(c.req.header("x-registry-config"));
  const cancel = new AbortController();
  const body = c.req.raw.body as AsyncIterable<Uint8Array> | null;
  using early = anySignal([c.req.raw.signal, engine.shutdown, cancel.signal]);
  const context = await receiveContext(engine.config.dataRoot, options, body, early.signal);
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read(context);
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
  return streamJson(c, { shutdown: engine.shutdown }, async (write, gone) => {
    using held = context;
    const signal = AbortSignal.any([gone, cancel.signal]);
    const output = new BuildOutput((line) => write(line), options.quiet);
    const cache = options.noCache ? noCache : openCache(engine.images, options.cacheFrom);
    const ground: StepGround = {
      engine,
      services: engine.services,
      namespace: engine.namespace,
      snapshotter: engine.config.snapshotter,
      options,
      context: held,
      output,
      signal,
      async useCache(state, comment) {
        if (state.cacheBroken) return false;
        const found = await cache.find(state, comment);
        if (!found) {
          state.cacheBroken = true;
          return false;
        }
        state.image = found;
        await output.stdout(" ---> Using cache\n");
        return true;
      },
    };
    if (options.buildId !== "") running.set(options.buildId, cancel);
    countBuild();
    try {
      for (const warning of parsed.warnings) await output.stderr(`${warning}\n`);
      await perform(ground, new Builder(ground, parsed.plan, registries));
    } catch (error) {
      countFailedBuild();
      const { message, code } = ended(error, signal);
      await output.fail(message, code);
    } finally {
      if (running.get(options.buildId) === cancel) running.delete(options.buildId);
    }
  });
}

export function buildRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  app.post("/build", (c) => build(engine, c));
  // What BuildKit's clients knock at before anything else.
  for (const path of ["/session", "/grpc"]) {
    app.post(path, () => {
      throw notImplemented(
        "BuildKit is not supported by this engine: use the classic builder (DOCKER_BUILDKIT=0)",
      );
    });
  }
  app.post("/build/prune", async (c) =>
    c.json(await pruneBuildCache(engine, Filters.parse(c.req.query("filters")))),
  );
  app.post("/build/cancel", (c) => {
    const id = c.req.query("id");
    if (!id) throw badRequest("build ID not provided");
    running.get(id)?.abort(new Error("build cancelled"));
    return c.body(null, 204);
  });
  return app;
}
