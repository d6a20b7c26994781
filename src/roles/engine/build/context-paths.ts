// Which files of the context a Dockerfile names, so that no others need to come from the client.
import { filesOf } from "./copy-step.ts";
import type { Instruction } from "./dockerfile/instructions.ts";
import { parseMount } from "./dockerfile/mount.ts";
import type { Plan } from "./dockerfile/stages.ts";

function pathsIn(instruction: Instruction): string[] {
  if (instruction.kind === "copy" || instruction.kind === "add") {
    return instruction.from === "" ? filesOf(instruction) : [];
  }
  if (instruction.kind !== "run") return [];
  return instruction.mounts.flatMap((text) => {
    if (text.includes("$")) return [text];
    const mount = parseMount(text);
    return mount.type === "bind" && mount.from === "" ? [mount.source] : [];
  });
}

/** Undefined when the whole context is named, or when it cannot be told before variables have their values. */
export function contextPaths({ stages }: Plan): string[] | undefined {
  const paths = stages.flatMap(({ instructions }) => instructions.flatMap(pathsIn));
  // A base image's triggers may copy anything.
  const whole = (path: string): boolean => path.includes("$") || /^[./]*$/.test(path);
  return paths.some(whole) ? undefined : [...new Set(paths)];
}
