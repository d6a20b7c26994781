// `changes` of POST /commit and of imports: Dockerfile instructions that only touch the image's configuration.
import type { ImageRunConfig } from "../../../spec/engine/image.ts";
import { badRequest } from "../errors.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { instructionOf } from "./dockerfile/instructions.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { lookupIn } from "./dockerfile/words.ts";
import { expandInstruction } from "./expand.ts";
import { applyMetadata, type MetadataState } from "./metadata.ts";

const ALLOWED: ReadonlySet<string> = new Set([
  "cmd",
  "entrypoint",
  "env",
  "expose",
  "healthcheck",
  "label",
  "onbuild",
  "stopsignal",
  "user",
  "volume",
  "workdir",
]);

/** A copy of the configuration with the changes made. ApiError 400 in docker's words. */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const text = changes.join("\n");
  if (text.trim() === "") return config;
  const state: MetadataState = { config: structuredClone(config), cmdSet: false, maintainer: "" };
  try {
    const { nodes, escapeChar } = parseDockerfile(text);
    for (const { keyword } of nodes) {
      if (!ALLOWED.has(keyword)) throw new DockerfileError(`${keyword} is not a valid change command`);
    }
    for (const node of nodes) {
      const instruction = expandInstruction(
        instructionOf(node, escapeChar),
        lookupIn(state.config.Env ?? []),
        escapeChar,
      );
      applyMetadata(state, instruction);
    }
  } catch (error) {
    if (error instanceof DockerfileError) throw badRequest(error.message);
    throw error;
  }
  return state.config;
}
