// The classic builder: stage by stage, step by step, each step an image. moby: builder/dockerfile

import { S_IFDIR } from "../../../../ffi/constants/fcntl.ts";
import { toByteName } from "../../../../ffi/tree.ts";
import { END, encodeHeader } from "../../../store/tar/encode.ts";
import { badRequest } from "../errors.ts";
import { putLayer, unpackLayer } from "../images/write.ts";
import { BuildArgs } from "./args.ts";
import { baseImage } from "./base.ts";
import { directoryEntry } from "./copy-layer.ts";
import { copyStep } from "./copy-step.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { type Instruction, type InstructionOf, parseInstruction } from "./dockerfile/instructions.ts";
import { type Plan, type Stage, stageIndex } from "./dockerfile/stages.ts";
import { expandWord, lookupIn } from "./dockerfile/words.ts";
import { expandInstruction } from "./expand.ts";
import { applyMetadata, shellOf } from "./metadata.ts";
import type { RegistryConfig } from "./options.ts";
import { openSnapshot } from "./rootfs.ts";
import { runStep } from "./run-step.ts";
import { beginStage, commitStep, type StageState, type StepImage, scratchImage, stepImage } from "./state.ts";
import type { StepGround } from "./step.ts";
import { landingIn } from "./tree.ts";

const short = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);

export class Builder {
  /** What each stage came to, in their order. */
  readonly #results: StepImage[] = [];
  #step = 1;

  constructor(
    private readonly ground: StepGround,
    private readonly plan: Plan,
    private readonly registries: RegistryConfig,
  ) {}

  /** Builds up to the target stage. Returns the image's id. Throws DockerfileError, CommandFailed, ApiError. */
  async build(): Promise<string> {
    const { options, output } = this.ground;
    const { plan } = this;
    const stages = this.#upTo(options.target);
    const args = BuildArgs.of(options.buildArgs, options.platform);
    const total =
      plan.metaArgs.length + stages.reduce((sum, stage) => sum + 1 + stage.instructions.length, 0);
    const labels = Object.entries(options.labels).sort(([a], [b]) => (a < b ? -1 : 1));
    const steps = total + labels.length;
    for (const meta of plan.metaArgs) {
      await this.#tell(meta.node.original, steps);
      const { args: declared } = expandInstruction(meta, args.metaLookup, plan.escapeChar) as typeof meta;
      for (const { name, value } of declared) args.declareMeta(name, value);
    }
    for (const [i, stage] of stages.entries()) {
      const last = i === stages.length - 1;
      const extra = last ? labels.map(([name, value]) => labelInstruction(name, value)) : [];
      await this.#stage(stage, [...stage.instructions, ...extra], args, steps);
    }
    const unused = args.unused();
    if (unused.length > 0) {
      await output.stdout(`[Warning] One or more build-args [${unused.join(" ")}] were not consumed\n`);
    }
    const { id } = this.#results.at(-1)!;
    if (id === "") throw new DockerfileError("No image was generated. Is your Dockerfile empty?");
    return id;
  }

  #upTo(target: string): Stage[] {
    const { stages } = this.plan;
    if (target === "") return stages;
    const index = stageIndex(stages, target);
    if (index < 0) throw badRequest(`failed to reach build target ${target} in Dockerfile`);
    return stages.slice(0, index + 1);
  }

  async #tell(what: string, steps: number): Promise<void> {
    this.ground.signal.throwIfAborted();
    await this.ground.output.stdout(`Step ${this.#step++}/${steps} : ${what}\n`);
  }

  async #stage(stage: Stage, instructions: Instruction[], shared: BuildArgs, steps: number): Promise<void> {
    const { output } = this.ground;
    const args = shared.forStage();
    await this.#tell(stage.from.node.original, steps);
    const { state, triggers } = beginStage(await this.#from(stage.from, shared));
    await this.#triggers(state, triggers, args);
    await output.stdout(` ---> ${short(state.image.id)}\n`);
    for (const instruction of instructions) {
      await this.#tell(instruction.node.original, steps);
      await this.#dispatch(state, instruction, args);
      await output.stdout(` ---> ${short(state.image.id)}\n`);
    }
    this.#results.push(state.image);
    if (state.image.id !== "") await output.line({ aux: { ID: state.image.id } });
  }

  async #from({ base, platform }: InstructionOf<"from">, args: BuildArgs): Promise<StepImage> {
    const { options } = this.ground;
    const name = expandWord(base, args.metaLookup, this.plan.escapeChar);
    if (name === "") throw new DockerfileError(`base name (${base}) should not be blank`);
    const asked = expandWord(platform, args.metaLookup, this.plan.escapeChar) || options.platformText;
    const earlier = this.plan.stages.findIndex(
      ({ from }, i) => i < this.#results.length && from.name !== "" && from.name === name.toLowerCase(),
    );
    if (earlier >= 0) return this.#results[earlier]!;
    if (name === "scratch") return scratchImage(options.platform);
    return await this.#image(name, asked);
  }

  async #image(name: string, platform: string | undefined): Promise<StepImage> {
    const { engine, options, output, signal } = this.ground;
    const request = { pull: options.pull, platform, registries: this.registries, signal };
    return stepImage(await baseImage(engine, name, request, output));
  }

  async #triggers(state: StageState, triggers: readonly string[], args: BuildArgs): Promise<void> {
    if (triggers.length === 0) return;
    const many = triggers.length === 1 ? "trigger" : "triggers";
    await this.ground.output.stdout(`# Executing ${triggers.length} build ${many}\n`);
    for (const trigger of triggers) await this.#dispatch(state, parseInstruction(trigger), args);
  }

  async #dispatch(state: StageState, written: Instruction, args: BuildArgs): Promise<void> {
    const lookup = lookupIn([...(state.config.Env ?? []), ...args.entries()]);
    const instruction = expandInstruction(written, lookup, this.plan.escapeChar);
    switch (instruction.kind) {
      case "arg":
        for (const { name, value } of instruction.args) args.declare(name, value);
        return await this.#metadata(state, `ARG ${instruction.args.map(shownArg).join(" ")}`);
      case "run":
        return await runStep(this.ground, state, instruction, args);
      case "copy":
      case "add":
        return await copyStep(this.ground, state, instruction, await this.#source(instruction.from));
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
  async #source(from: string): Promise<string | undefined> {
    if (from === "") return undefined;
    const current = this.#results.length;
    const index = stageIndex(this.plan.stages.slice(0, current + 1), from);
    if (index === current) {
      throw new DockerfileError(`invalid from flag value ${from}: refers to current build stage`);
    }
    if (index >= 0) return this.#results[index]!.chainId;
    return (await this.#image(from, this.ground.options.platformText)).chainId;
  }

  async #metadata(state: StageState, said: string): Promise<void> {
    // Two blanks, as docker has written them since its first days.
    const comment = [...shellOf(state.config), `#(nop)  ${said}`].join(" ");
    if (await this.ground.useCache(state, comment)) return;
    state.image = await commitStep(this.ground.engine.images, state, comment, undefined);
  }

  /** WORKDIR makes the directory, where the image has none. */
  async #workdir(state: StageState, instruction: Instruction): Promise<void> {
    const { ground } = this;
    const comment = [...shellOf(state.config), `#(nop) ${applyMetadata(state, instruction)}`].join(" ");
    if (await ground.useCache(state, comment)) return;
    using base = await openSnapshot(ground, state.image.chainId);
    const landing = landingIn(base, toByteName(state.config.WorkingDir!));
    if (landing.end && landing.end.type !== S_IFDIR) {
      throw new DockerfileError(`cannot mkdir: ${state.config.WorkingDir} is not a directory`);
    }
    const missing = landing.parts
      .map((_, i) => landing.parts.slice(0, i + 1).join("/"))
      .slice(landing.existing);
    if (missing.length === 0) {
      state.image = await commitStep(ground.engine.images, state, comment, undefined);
      return;
    }
    const now = new Date();
    const tar = (async function* () {
      for (const path of missing) yield encodeHeader(directoryEntry(path, { uid: 0, gid: 0 }, now));
      yield END;
    })();
    const layer = await putLayer(ground, tar);
    const chainId = await unpackLayer(ground, layer, state.image.chainId);
    state.image = await commitStep(ground.engine.images, state, comment, { ...layer, chainId });
  }
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
