// Variables in an instruction: which of its words they are replaced in.
import { DockerfileError } from "./dockerfile/error.ts";
import type { Instruction } from "./dockerfile/instructions.ts";
import { expandWord, expandWords, type Lookup } from "./dockerfile/words.ts";

/** The instruction with its variables replaced and its quotes taken away. RUN, CMD and their like are left to the shell. Throws DockerfileError. */
export function expandInstruction(instruction: Instruction, lookup: Lookup, escapeChar: string): Instruction {
  const word = (text: string): string => expandWord(text, lookup, escapeChar);
  switch (instruction.kind) {
    case "env":
    case "label":
      return { ...instruction, pairs: instruction.pairs.map(([name, value]) => [word(name), word(value)]) };
    case "arg":
      return {
        ...instruction,
        args: instruction.args.map(({ name, value }) => ({
          name: word(name),
          ...(value === undefined ? {} : { value: word(value) }),
        })),
      };
    case "add":
    case "copy":
      return {
        ...instruction,
        sources: instruction.sources.map(word),
        target: word(instruction.target),
        chown: word(instruction.chown),
        chmod: word(instruction.chmod),
        from: word(instruction.from),
        checksum: word(instruction.checksum),
        exclude: instruction.exclude.map(word),
        heredocs: instruction.heredocs.map((doc) =>
          doc.expand ? { ...doc, content: expandContent(doc.content, lookup, escapeChar) } : doc,
        ),
      };
    case "expose":
      return {
        ...instruction,
        ports: instruction.ports.flatMap((port) => expandWords(port, lookup, escapeChar)),
      };
    case "volume":
      return { ...instruction, paths: instruction.paths.map(word) };
    case "stopsignal":
    case "user":
    case "workdir": {
      const value = word(instruction.value);
      if (value === "") {
        throw new DockerfileError(`${instruction.kind.toUpperCase()} requires exactly one argument`);
      }
      return { ...instruction, value };
    }
    default:
      return instruction;
  }
}

// In a here-document quotes are ordinary characters.
function expandContent(content: string, lookup: Lookup, escapeChar: string): string {
  const quoted = content.replace(/["']/g, (quote) => `${escapeChar}${quote}`);
  return expandWord(quoted, lookup, escapeChar);
}
