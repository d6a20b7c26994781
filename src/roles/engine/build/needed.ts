// Which stages a build needs, and where its steps stand in theirs.
import { formatReference, parseTagged } from "../../../wire/distribution/reference.ts";
import { badRequest } from "../errors.ts";
import type { Instruction } from "./dockerfile/instructions.ts";
import { fieldsOfMount } from "./dockerfile/mount.ts";
import { type Plan, stageIndex } from "./dockerfile/stages.ts";
import { expandWord, type Lookup } from "./dockerfile/words.ts";
import type { StepTitle } from "./report.ts";

/** What a stage begins with. */
export type StageBase = { stage: number } | { scratch: true } | { image: string };

/** The stage to build: the last one, or the one that `target` names. Throws ApiError 400 when there is none. */
export function targetStage({ stages }: Plan, target: string): number {
  if (target === "") return stages.length - 1;
  const index = stageIndex(stages, target);
  if (index < 0) throw badRequest(`failed to reach build target ${target} in Dockerfile`);
  return index;
}

/** What FROM `name` means in stage `index`: an earlier stage of that name comes before an image. */
export function baseOf({ stages }: Plan, index: number, name: string): StageBase {
  const earlier = stages
    .slice(0, index)
    .findIndex(({ from }) => from.name !== "" && from.name === name.toLowerCase());
  if (earlier >= 0) return { stage: earlier };
  return name === "scratch" ? { scratch: true } : { image: name };
}

/** Images and stages that an instruction takes files from, as written. */
function sourcesOf(instruction: Instruction): string[] {
  if (instruction.kind === "copy") return instruction.from === "" ? [] : [instruction.from];
  if (instruction.kind !== "run") return [];
  return instruction.mounts.flatMap((text) => fieldsOfMount(text).get("from") ?? []);
}

/** Places of the stages that `target` is made of, itself among them, in the Dockerfile's order. Throws DockerfileError. */
export function neededStages(plan: Plan, target: number, lookup: Lookup): number[] {
  const needed = new Set<number>();
  const need = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    const { from, instructions } = plan.stages[index]!;
    const base = baseOf(plan, index, expandWord(from.base, lookup, plan.escapeChar));
    if ("stage" in base) need(base.stage);
    for (const source of instructions.flatMap(sourcesOf)) {
      const earlier = plan.stages.slice(0, index);
      // Who can tell before the step's turn has come.
      if (source.includes("$")) for (const i of earlier.keys()) need(i);
      const named = stageIndex(earlier, source);
      if (named >= 0) need(named);
    }
  };
  need(target);
  return [...needed].sort((a, b) => a - b);
}

/** An image's name in full; one that is an id stays. */
function wholeName(image: string): string {
  try {
    return formatReference(parseTagged(image));
  } catch {
    return image;
  }
}

const MAKES_FILES: ReadonlySet<Instruction["kind"]> = new Set(["run", "copy", "add", "workdir"]);

/** A step's place in its stage: only what makes files counts, and FROM where it names an image. */
export function placesIn(
  { stages }: Plan,
  index: number,
  instructions: readonly Instruction[],
  base: StageBase,
): { from: StepTitle["place"]; of(instruction: Instruction): StepTitle["place"] } {
  const own = stages[index]!.from.name;
  const stage = own !== "" ? own : stages.length > 1 ? `stage-${index}` : "";
  const image = "image" in base ? base.image : undefined;
  const first = image === undefined ? 0 : 1;
  const makers = instructions.filter(({ kind }) => MAKES_FILES.has(kind));
  const of = first + makers.length;
  return {
    from: image === undefined ? undefined : { stage, number: 1, of, text: `FROM ${wholeName(image)}` },
    of(instruction) {
      const at = makers.indexOf(instruction);
      if (at < 0) return undefined;
      const text = instruction.node.original.replace(/^\S+/, (keyword) => keyword.toUpperCase());
      return { stage, number: first + at + 1, of, text };
    },
  };
}
