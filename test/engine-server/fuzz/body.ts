// Request bodies from the very schemas that the engine reads them with: mostly of the right shape, so that they get past the
// border, with wrong values and wrong types among them.
import type { z } from "zod";
import { type Dice, junk, TEXTS } from "./dice.ts";

type Node = z.core.$ZodType;

interface Def {
  type: string;
  innerType?: Node;
  in?: Node;
  shape?: Record<string, Node>;
  element?: Node;
  valueType?: Node;
  options?: readonly Node[];
}

const defOf = (schema: Node): Def => schema._zod.def as unknown as Def;

const NUMBERS = [0, 1, -1, 2, 10, 0.5, 1024, 512 * 1024 * 1024, 2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 63, 1e308];

/** A value for a schema; `wildness` is how often (once in so many fields) its type is wrong. */
export function bodyFor(schema: Node, chance: Dice, wildness = 12): unknown {
  if (chance.once(wildness)) return junk(chance);
  const def = defOf(schema);
  if (def.innerType) return bodyFor(def.innerType, chance, wildness);
  if (def.type === "pipe" && def.in) return bodyFor(def.in, chance, wildness);
  switch (def.type) {
    case "object":
      return objectFor(def.shape ?? {}, chance, wildness);
    case "array":
      return Array.from({ length: chance.roll(3) }, () => bodyFor(def.element!, chance, wildness));
    case "record":
      return Object.fromEntries(
        Array.from({ length: chance.roll(3) }, () => [
          chance.pick(TEXTS),
          bodyFor(def.valueType!, chance, wildness),
        ]),
      );
    case "union":
      return bodyFor(chance.pick(def.options!), chance, wildness);
    case "number":
      return chance.pick(NUMBERS);
    case "boolean":
      return chance.once(2);
    default:
      return chance.pick(TEXTS);
  }
}

// Few fields at a time: a body with all of them is refused for the first bad one, and the others are never looked at.
function objectFor(shape: Record<string, Node>, chance: Dice, wildness: number): Record<string, unknown> {
  const names = Object.keys(shape);
  const result: Record<string, unknown> = {};
  for (let n = chance.roll(4); n > 0 && names.length > 0; n--) {
    const name = chance.pick(names);
    const spelled = chance.once(6) ? name.toLowerCase() : name;
    result[spelled] = bodyFor(shape[name]!, chance, wildness);
  }
  if (chance.once(5)) result[chance.pick(TEXTS)] = junk(chance);
  return result;
}

/** A body's text, at times broken. */
export function textOf(value: unknown, chance: Dice): string {
  const text = JSON.stringify(value) ?? "";
  switch (chance.roll(14)) {
    case 0:
      return text.slice(0, chance.roll(text.length + 1));
    case 1:
      return `${text}${text}`;
    case 2:
      return text.replace(/[0-9]+/, "1e999");
    case 3:
      return `${"[".repeat(20_000)}${text}`;
    case 4:
      return `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
    case 5:
      return text.replaceAll('"', "'");
    case 6:
      return `\ufeff${text}`;
    default:
      return text;
  }
}
