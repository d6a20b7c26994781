// HEALTHCHECK [--interval= --timeout= --start-period= --start-interval= --retries=] CMD …, or NONE
import type { HealthConfig } from "../../../../spec/engine/image.ts";
import { parseDuration } from "../../system/time.ts";
import { DockerfileError } from "./error.ts";
import { Flags } from "./flags.ts";
import type { Node } from "./parse.ts";
import { jsonList } from "./split.ts";

/** What dockerd takes as the shortest: 1 ms, in nanoseconds. */
const MINIMUM = 1_000_000n;

const TIMES = [
  ["interval", "Interval"],
  ["timeout", "Timeout"],
  ["start-period", "StartPeriod"],
  ["start-interval", "StartInterval"],
] as const;

/** Throws DockerfileError. */
export function healthcheckOf(node: Node): HealthConfig {
  const flags = new Flags(node, { values: [...TIMES.map(([name]) => name), "retries"] });
  const [, type = "", rest = ""] = /^(\S*)\s*([\s\S]*)$/.exec(node.rest)!;
  if (type === "") throw new DockerfileError("HEALTHCHECK requires at least one argument");
  if (type.toUpperCase() === "NONE") {
    if (rest !== "") throw new DockerfileError("HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"] };
  }
  if (type.toUpperCase() !== "CMD") {
    throw new DockerfileError(`Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`);
  }
  if (rest === "") throw new DockerfileError("Missing command after HEALTHCHECK CMD");
  const list = jsonList(rest);
  const health: HealthConfig = { Test: list ? ["CMD", ...list] : ["CMD-SHELL", rest] };
  for (const [flag, field] of TIMES) {
    const text = flags.get(flag);
    if (!text) continue;
    const time = parseDuration(text);
    if (time === undefined) throw new DockerfileError(`time: invalid duration ${JSON.stringify(text)}`);
    if (time < MINIMUM) throw new DockerfileError(`Interval ${JSON.stringify(flag)} cannot be less than 1ms`);
    health[field] = Number(time);
  }
  const retries = flags.get("retries");
  if (retries) {
    if (!/^[+-]?\d+$/.test(retries)) {
      throw new DockerfileError(`strconv.ParseInt: parsing ${JSON.stringify(retries)}: invalid syntax`);
    }
    if (Number(retries) < 0) throw new DockerfileError(`--retries cannot be negative (${Number(retries)})`);
    health.Retries = Number(retries);
  }
  return health;
}
