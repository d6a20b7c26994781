// Signal names and numbers as docker takes them: "SIGTERM", "term", "15", "RTMIN+3".
import { constants } from "node:os";
import { badRequest } from "../errors.ts";

const RTMIN = 34;
const RTMAX = 64;

/** ApiError 400 "Invalid signal: X". */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number > 0 && number <= RTMAX) return number;
    throw badRequest(`Invalid signal: ${text}`);
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
  if (known !== undefined) return known;
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime) {
    const [, end, sign, offset = "0"] = realtime;
    const base = end === "MIN" ? RTMIN : RTMAX;
    const number = base + (sign === "-" ? -1 : 1) * Number(offset);
    if (number >= RTMIN && number <= RTMAX) return number;
  }
  throw badRequest(`Invalid signal: ${text}`);
}

export const SIGKILL = 9;
export const SIGTERM = 15;
