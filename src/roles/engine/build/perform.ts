// One build from its Dockerfile to its image and names, whichever way it is reported.
import { log } from "../../../observe/log.ts";
import type { Engine } from "../engine.ts";
import { badRequest, toApiError, unforeseen } from "../errors.ts";
import { leased } from "../images/leased.ts";
import { countBuild, countFailedBuild } from "../system/counts.ts";
import type { Credentials } from "./base.ts";
import { Builder } from "./builder.ts";
import { noCache, openCache } from "./cache.ts";
import type { BuildContext } from "./context.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { type Plan, planStages } from "./dockerfile/stages.ts";
import type { BuildOptions } from "./options.ts";
import type { BuildReport } from "./report.ts";
import { CommandFailed } from "./run-step.ts";
import type { ClientSession } from "./session/client-session.ts";
import type { StepGround } from "./step.ts";
import type { Wording } from "./wording.ts";

export interface ReadDockerfile {
  plan: Plan;
  syntax: string | undefined;
  warnings: string[];
}

/** Throws ApiError 400 in docker's words. */
export function readDockerfile(text: string): ReadDockerfile {
  try {
    const dockerfile = parseDockerfile(text);
    return { plan: planStages(dockerfile), syntax: dockerfile.syntax, warnings: dockerfile.warnings };
  } catch (error) {
    if (error instanceof DockerfileError) throw badRequest(error.message);
    throw error;
  }
}

export interface Build {
  engine: Engine;
  options: BuildOptions;
  context: BuildContext;
  dockerfile: ReadDockerfile;
  report: BuildReport;
  wording: Wording;
  session: ClientSession | undefined;
  credentials: Credentials;
  signal: AbortSignal;
  /** Instead of names and a place among the images. @param image the finished one's id */
  deliver?: (image: string) => Promise<void>;
}

/** Builds, names, and tells of it all. Throws what went wrong: `tellFailure` says it. */
export async function perform({ dockerfile, credentials, deliver, ...build }: Build): Promise<void> {
  const { engine, options, report, wording } = build;
  const cache = options.noCache ? noCache : openCache({ engine, wording }, options.cacheFrom);
  const ground: StepGround = {
    ...build,
    services: engine.services,
    namespace: engine.namespace,
    snapshotter: engine.config.snapshotter,
    async useCache(state, said) {
      if (state.cacheBroken) return false;
      const found = await cache.find(state, said);
      if (!found) {
        state.cacheBroken = true;
        return false;
      }
      state.image = found;
      await report.cached();
      return true;
    },
  };
  for (const warning of dockerfile.warnings) await report.warning("dockerfile", warning);
  const builder = new Builder(ground, dockerfile.plan, credentials);
  const id = await leased(engine.services, engine.namespace, "build", async () => {
    const image = await builder.build();
    await deliver?.(image);
    return image;
  });
  if (deliver) return;
  for (const tag of options.tags) await engine.images.tag(id, tag, "");
  await report.built(id, options.tags);
}

/** Runs a build's work and puts its failure into the stream, which has begun by then. */
export async function counted(
  report: BuildReport,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  countBuild();
  try {
    await work();
  } catch (error) {
    countFailedBuild();
    const { message, code } = ended(error, signal);
    await report.fail(message, code);
  }
}

function ended(error: unknown, signal: AbortSignal): { message: string; code?: number } {
  if (signal.aborted) return { message: "Build cancelled" };
  if (error instanceof CommandFailed) return { message: error.message, code: error.code };
  if (!(error instanceof DockerfileError)) {
    log("debug", "build failed", { error: error as Error, ...unforeseen(error) });
  }
  return { message: toApiError(error).message };
}
