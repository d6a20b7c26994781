// The command line of this process, as `ps` shows it and as whatever it becomes gets it. A shim that waited for its container
// writes that one's arguments over its own. man 5 proc, /proc/pid/cmdline and fields 48 and 49 of /proc/pid/stat
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { statFields } from "../../../ffi/process.ts";
import { compiled, selfCommand } from "../../self.ts";

const own = selfCommand("containerd-shim-bunker-v2");
const program = compiled ? [process.argv0] : [own.argv0, ...own.cmd.slice(1)];
let words = process.argv.slice(compiled ? 2 : 3);

export const ownArguments = (): string[] => [...program, ...words];

/** Replaces the arguments. false, with nothing done: there is no room for them. */
export function replaceArguments(by: readonly string[]): boolean {
  const field = statFields("self");
  const [start, end] = [Number(field(48)), Number(field(49))];
  const text = new TextEncoder().encode([...program, ...by, ""].join("\0"));
  const room = end - start;
  // The last byte stays NUL: another there would make the kernel look for a title behind it.
  if (!(room > 0) || text.length > room) return false;
  const area = new Uint8Array(toArrayBuffer(start as Pointer, 0, room));
  area.fill(0);
  area.set(text);
  words = [...by];
  return true;
}
