// The classic builder: stage by stage, step by step, each step an image. moby: builder/dockerfile

import { S_IFDIR } from "../../../../ffi/constants/fcntl.ts";
import { toByteName } from "../../../../ffi/tree.ts";
import { END, encodeHeader } from "../../../store/tar/encode.ts";
import { putLayer, unpackLayer } from "../images/write.ts";
import { BuildArgs } from "./args.ts";
import { baseImage, type Credentials } from "./base.ts";
import { directoryEntry } from "./copy-layer.ts";
import { copyStep } from "./copy-step.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { type Instruction, type InstructionOf, parseInstruction } from "./dockerfile/instructions.ts";
import { type Plan, stageIndex } from "./dockerfile/stages.ts";
import { expandWord, lookupIn } from "./dockerfile/words.ts";
import { expandInstruction } from "./expand.ts";
import { applyMetadata } from "./metadata.ts";
import { baseOf, neededStages, placesIn, type StageBase, targetStage } from "./needed.ts";
import type { StepTitle } from "./report.ts";
import { openSnapshot } from "./rootfs.ts";
import { runStep } from "./run-step.ts";
import { beginStage, commitStep, type StageState, type StepImage, scratchImage, stepImage } from "./state.ts";
import type { StepGround } from "./step.ts";
import { landingIn } from "./tree.ts";

export class Builder {
  /** What each stage came to, by its place in the Dockerfile. */
  readonly #results = new Map<number, StepImage>();
  #step = 1;

  constructor(
    private readonly ground: StepGround,
    private readonly plan: Plan,
    private readonly credentials: Credentials,
  ) {}

  /** Builds up to the target stage. Returns the image's id. Throws DockerfileError, CommandFailed, ApiError. */
  async build(): Promise<string> {
    const { options, report } = this.ground;
    const { plan } = this;
    const target = targetStage(plan, options.target);
    const args = BuildArgs.of(options.buildArgs, options.platform);
    // What a stage's FROM says may depend on these, and with it which stages are needed.
    const meta = BuildArgs.of(options.buildArgs, options.platform);
    for (const declared of plan.metaArgs) declareMeta(declared, meta, plan.escapeChar);
    const needed = options.onlyNeeded
      ? neededStages(plan, target, meta.metaLookup)
      : plan.stages.slice(0, target + 1).map((_, i) => i);
    const total =
      plan.metaArgs.length + needed.reduce((sum, i) => sum + 1 + plan.stages[i]!.instructions.length, 0);
    const labels = Object.entries(options.labels).sort(([a], [b]) => (a < b ? -1 : 1));
    const steps = total + labels.length;
    for (const declared of plan.metaArgs) {
      await this.#tell(declared, steps);
      declareMeta(declared, args, plan.escapeChar);
    }
    for (const i of needed) {
      const stage = plan.stages[i]!;
      const extra = i === target ? labels.map(([name, value]) => labelInstruction(name, value)) : [];
      await this.#stage(i, [...stage.instructions, ...extra], args, steps);
    }
    const unused = args.unused();
    if (unused.length > 0) {
      await report.warning("arguments", `One or more build-args [${unused.join(" ")}] were not consumed`);
    }
    const { id } = this.#results.get(target)!;
    if (id === "") throw new DockerfileError("No image was generated. Is your Dockerfile empty?");
    return id;
  }

  async #tell({ node }: Instruction, of: number, place?: StepTitle["place"]): Promise<void> {
    this.ground.signal.throwIfAborted();
    const number = this.#step++;
    await this.ground.report.step({ text: node.original, number, of, ...(place ? { place } : {}) });
  }

  async #stage(index: number, instructions: Instruction[], shared: BuildArgs, steps: number): Promise<void> {
    const { report } = this.ground;
    const { from } = this.plan.stages[index]!;
    const args = shared.forStage();
    const base = this.#base(from, index, shared);
    const places = placesIn(this.plan, index, instructions, base);
    await this.#tell(from, steps, places.from);
    const { state, triggers } = beginStage(await this.#from(base, from, shared));
    await this.#triggers(state, triggers, args, index);
    await report.stepDone(state.image.id);
    for (const instruction of instructions) {
      await this.#tell(instruction, steps, places.of(instruction));
      await this.#dispatch(state, instruction, args, index);
      await report.stepDone(state.image.id);
    }
    this.#results.set(index, state.image);
    await report.stageDone(state.image.id);
  }

  #base({ base }: InstructionOf<"from">, index: number, args: BuildArgs): StageBase {
    const name = expandWord(base, args.metaLookup, this.plan.escapeChar);
    if (name === "") throw new DockerfileError(`base name (${base}) should not be blank`);
    return baseOf(this.plan, index, name);
  }

  async #from(base: StageBase, { platform }: InstructionOf<"from">, args: BuildArgs): Promise<StepImage> {
    const { options } = this.ground;
    const asked = expandWord(platform, args.metaLookup, this.plan.escapeChar) || options.platformText;
    if ("stage" in base) return this.#results.get(base.stage)!;
    if ("scratch" in base) return scratchImage(options.platform);
    return await this.#image(base.image, asked);
  }

  async #image(name: string, platform: string | undefined): Promise<StepImage> {
    const { engine, options, report, signal } = this.ground;
    const request = { pull: options.pull, platform, credentials: this.credentials, signal };
    return stepImage(await baseImage(engine, name, request, report));
  }

  async #triggers(
    state: StageState,
    triggers: readonly string[],
    args: BuildArgs,
    stage: number,
  ): Promise<void> {
    if (triggers.length === 0) return;
    await this.ground.report.triggers(triggers.length);
    for (const trigger of triggers) await this.#dispatch(state, parseInstruction(trigger), args, stage);
  }

  async #dispatch(state: StageState, written: Instruction, args: BuildArgs, stage: number): Promise<void> {
    const lookup = lookupIn([...(state.config.Env ?? []), ...args.entries()]);
    const instruction = expandInstruction(written, lookup, this.plan.escapeChar);
    switch (instruction.kind) {
      case "arg":
        for (const { name, value } of instruction.args) args.declare(name, value);
        return await this.#metadata(state, `ARG ${instruction.args.map(shownArg).join(" ")}`);
      case "run":
        return await runStep(
          this.ground,
          state,
          instruction,
          args,
          async (from) => (await this.#source(from, stage))!,
        );
      case "copy":
      case "add":
        return await copyStep(this.ground, state, instruction, await this.#source(instruction.from, stage));
      case "workdir":
        return await this.#workdir(state, instruction);
      default: {
        const comment = applyMetadata(state, instruction);
        if (comment === undefined) throw new DockerfileError(`unexpected ${instruction.kind.toUpperCase()}`);
        return await this.#metadata(state, comment);
      }
    }
  }

  /** The snapshot behind --from. */
  async #source(from: string, current: number): Promise<string | undefined> {
    if (from === "") return undefined;
    const index = stageIndex(this.plan.stages.slice(0, current + 1), from);
    if (index === current) {
      throw new DockerfileError(`invalid from flag value ${from}: refers to current build stage`);
    }
    const made = this.#results.get(index);
    if (made) return made.chainId;
    if (index >= 0) {
      // A trigger of a base image named it: nobody could know of that beforehand.
      throw new DockerfileError(`stage ${from} is needed by ONBUILD only, and was not built`);
    }
    return (await this.#image(from, this.ground.options.platformText)).chainId;
  }

  async #metadata(state: StageState, said: string): Promise<void> {
    const words = this.ground.wording.metadata(state, said);
    if (await this.ground.useCache(state, words)) return;
    state.image = await commitStep(this.ground, state, words, undefined);
  }

  /** WORKDIR makes the directory, where the image has none. */
  async #workdir(state: StageState, instruction: Instruction): Promise<void> {
    const { ground } = this;
    const said = applyMetadata(state, instruction)!;
    const words = ground.wording.workdir(state, said);
    if (await ground.useCache(state, words)) return;
    using base = await openSnapshot(ground, state.image.chainId);
    const landing = landingIn(base, toByteName(state.config.WorkingDir!));
    if (landing.end && landing.end.type !== S_IFDIR) {
      throw new DockerfileError(`cannot mkdir: ${state.config.WorkingDir} is not a directory`);
    }
    const missing = landing.parts
      .map((_, i) => landing.parts.slice(0, i + 1).join("/"))
      .slice(landing.existing);
    if (missing.length === 0) {
      state.image = await commitStep(ground, state, words, undefined);
      return;
    }
    const now = new Date();
    const tar = (async function* () {
      for (const path of missing) yield encodeHeader(directoryEntry(path, { uid: 0, gid: 0 }, now));
      yield END;
    })();
    const layer = await putLayer(ground, tar);
    const chainId = await unpackLayer(ground, layer, state.image.chainId);
    state.image = await commitStep(ground, state, words, { ...layer, chainId });
  }
}

function declareMeta(instruction: InstructionOf<"arg">, args: BuildArgs, escapeChar: string): void {
  const { args: declared } = expandInstruction(
    instruction,
    args.metaLookup,
    escapeChar,
  ) as typeof instruction;
  for (const { name, value } of declared) args.declareMeta(name, value);
}

const shownArg = ({ name, value }: { name: string; value?: string }): string =>
  value === undefined ? name : `${name}=${value}`;

/** --label, as if the Dockerfile ended with it. Its value is taken as it is. */
function labelInstruction(name: string, value: string): Instruction {
  const quote = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`;
  const original = `LABEL ${quote(name)}=${quote(value)}`;
  return {
    kind: "label",
    node: { keyword: "label", flags: [], rest: "", original, line: 0, heredocs: [] },
    pairs: [[quote(name), quote(value)]],
  };
}
