// A Dockerfile as stages: the ARGs before the first FROM, then each FROM with what follows it.
import { atLine, DockerfileError } from "./error.ts";
import { type Instruction, type InstructionOf, instructionOf } from "./instructions.ts";
import type { Dockerfile } from "./parse.ts";

export interface Stage {
  from: InstructionOf<"from">;
  instructions: Instruction[];
}

export interface Plan {
  escapeChar: string;
  metaArgs: InstructionOf<"arg">[];
  stages: Stage[];
}

/** Throws DockerfileError. */
export function planStages({ nodes, escapeChar }: Dockerfile): Plan {
  const metaArgs: InstructionOf<"arg">[] = [];
  const stages: Stage[] = [];
  for (const node of nodes) {
    try {
      const instruction = instructionOf(node, escapeChar);
      if (instruction.kind === "from") stages.push({ from: instruction, instructions: [] });
      else if (stages.length > 0) stages.at(-1)!.instructions.push(instruction);
      else if (instruction.kind === "arg") metaArgs.push(instruction);
      else throw new DockerfileError("no build stage in current context");
    } catch (error) {
      throw atLine(node.line, error);
    }
  }
  if (stages.length === 0) throw new DockerfileError("no build stage in current context");
  return { escapeChar, metaArgs, stages };
}

/** The index of the stage that `--target` or `--from` names: by its name, or by its number. -1 when there is none. */
export function stageIndex(stages: readonly Stage[], name: string): number {
  const lower = name.toLowerCase();
  const named = stages.findIndex(({ from }) => from.name !== "" && from.name === lower);
  if (named >= 0) return named;
  return /^\d+$/.test(name) && Number(name) < stages.length ? Number(name) : -1;
}
