// RUN: a container like any other, made from the image so far; what it changed becomes the next layer.
import { containerCreate } from "../../../spec/engine/container.ts";
import { goJson } from "../../../spec/engine/go-json.ts";
import type { ImageRunConfig } from "../../../spec/engine/image.ts";
import type { Container } from "../containers/container.ts";
import { createContainer } from "../containers/create.ts";
import { roomOf } from "../containers/index.ts";
import { killHard } from "../containers/kill.ts";
import { removeContainer } from "../containers/remove.ts";
import { startContainer } from "../containers/start.ts";
import { containerLayer } from "../images/container-layer.ts";
import { unpackLayer } from "../images/write.ts";
import type { OutputStream } from "../streams/frame.ts";
import type { BuildArgs } from "./args.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import type { InstructionOf } from "./dockerfile/instructions.ts";
import { lookupIn } from "./dockerfile/words.ts";
import { markContainer } from "./leftovers.ts";
import { shellOf } from "./metadata.ts";
import type { BuildReport } from "./report.ts";
import { planMounts } from "./run-mounts.ts";
import { commitStep, type StageState } from "./state.ts";
import type { StepGround } from "./step.ts";

/** A RUN that ended with something else than 0; clients exit with it. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

/** What is executed, and what the history shows of it. */
function runWords(step: InstructionOf<"run">, config: ImageRunConfig): string[] {
  const { command, heredocs } = step;
  if (command.exec) return command.words;
  const [text = ""] = command.words;
  if (heredocs.length === 0) return [...shellOf(config), text];
  const [first] = heredocs;
  // `RUN <<EOF` alone: the document is the script, and its first line may say whose.
  if (heredocs.length === 1 && /^\d*<<-?\s*["']?[^\s"']+["']?$/.test(text)) {
    return [...shellOf(config), first!.content];
  }
  const bodies = heredocs.map(({ name, content }) => `${content}${name}\n`);
  return [...shellOf(config), `${text}\n${bodies.join("")}`];
}

/** Passes a container's output on as it comes; resolves when all of it was written. */
function follow(container: Container, report: BuildReport): { ended: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const decoders: Record<OutputStream, TextDecoder> = {
    stdout: new TextDecoder(),
    stderr: new TextDecoder(),
  };
  let saying: Promise<void> = Promise.resolve();
  const say = (stream: OutputStream, text: string): Promise<void> => {
    if (text !== "") saying = saying.then(() => report.output(stream, text)).catch(() => {});
    return saying;
  };
  container.streams.attach({
    wants: () => true,
    write: (stream, chunk) => say(stream, decoders[stream].decode(chunk, { stream: true })),
    end() {
      void say("stdout", decoders.stdout.decode());
      void say("stderr", decoders.stderr.decode()).then(() => resolve());
    },
  });
  return { ended: promise };
}

async function remove(ground: StepGround, container: Container): Promise<void> {
  await removeContainer(roomOf(ground.engine), container, { force: true, volumes: true });
  await ground.report.removed(container.id);
}

/** Runs the container to its end. Throws CommandFailed, or the signal's reason when the build was given up. */
async function execute(ground: StepGround, container: Container, words: readonly string[]): Promise<void> {
  const room = roomOf(ground.engine);
  const { ended } = follow(container, ground.report);
  const stop = (): void => void killHard(room, container).catch(() => {});
  ground.signal.addEventListener("abort", stop, { once: true });
  try {
    await startContainer(room, container);
    if (ground.signal.aborted) stop();
    const { exitCode } = await container.state.wait("not-running");
    await ended;
    await container.released;
    ground.signal.throwIfAborted();
    if (exitCode !== 0) {
      throw new CommandFailed(ground.wording.failed(words, exitCode), exitCode);
    }
  } finally {
    ground.signal.removeEventListener("abort", stop);
  }
}

/** Runs the step on the stage. @param snapshotOf what the stage or image that a mount comes from has for files */
export async function runStep(
  ground: StepGround,
  state: StageState,
  step: InstructionOf<"run">,
  args: BuildArgs,
  snapshotOf: (from: string) => Promise<string>,
): Promise<void> {
  if (state.image.id === "")
    throw new DockerfileError("Please provide a source image with `from` prior to run");
  const room = roomOf(ground.engine);
  const { config } = state;
  const words = runWords(step, config);
  const given = args.forRun(config.Env ?? []);
  const recorded = args.recorded(given);
  const lookup = lookupIn([...(config.Env ?? []), ...args.entries()]);
  const workingDir = config.WorkingDir ?? "";
  const plan = await planMounts(ground, step.mounts, { workingDir, lookup, snapshotOf });
  const said = ground.wording.run(recorded, words, plan.key);
  if (await ground.useCache(state, said)) return;
  await using mounted = await plan.prepare();
  const { Healthcheck: _health, OnBuild: _onbuild, Image: _image, ...rest } = config;
  const request = goJson(
    containerCreate,
    {
      ...rest,
      Image: state.image.id,
      Cmd: words,
      // The image's own must not come in front of the command.
      Entrypoint: [""],
      Env: [...(config.Env ?? []), ...given, ...mounted.env],
      Healthcheck: { Test: ["NONE"] },
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: {
        ...ground.options.host,
        ...(step.network === "default" ? {} : { NetworkMode: step.network }),
        LogConfig: { Type: "none", Config: {} },
        ...(mounted.mounts.length > 0 ? { Mounts: mounted.mounts } : {}),
      },
    },
    "ContainerConfig",
  );
  const { Id, Warnings } = await createContainer(room, request, { name: "" });
  using _mark = markContainer(ground.context.scratch, Id);
  const container = room.registry.get(Id);
  for (const warning of Warnings) await ground.report.warning("container", warning);
  await ground.report.running(Id);
  try {
    await execute(ground, container, words);
    const layer = await containerLayer(ground, container, {
      signal: ground.signal,
      places: mounted.targets,
    });
    const made = layer && { ...layer, chainId: await unpackLayer(ground, layer, state.image.chainId) };
    state.image = await commitStep(ground, state, said, made);
  } catch (error) {
    if (ground.options.forceRemove || ground.signal.aborted) await remove(ground, container).catch(() => {});
    throw error;
  }
  if (ground.options.remove || ground.options.forceRemove) await remove(ground, container);
}
