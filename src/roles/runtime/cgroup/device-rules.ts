// Device access: config.json's rules, then what every container may use. config-linux.md#allowed-device-list
import type { DeviceRule } from "../../../spec/oci/runtime.ts";

const allow = (type: "c" | "b", major: number, minor: number, access = "rwm"): DeviceRule => ({
  allow: true,
  type,
  major,
  minor,
  access,
});

/** Always allowed: making nodes, the default devices, ptys. */
export const ALWAYS_ALLOWED: readonly DeviceRule[] = [
  allow("c", -1, -1, "m"),
  allow("b", -1, -1, "m"),
  allow("c", 1, 3),
  allow("c", 1, 8),
  allow("c", 1, 7),
  allow("c", 5, 0),
  allow("c", 1, 5),
  allow("c", 1, 9),
  allow("c", 136, -1),
  allow("c", 5, 2),
];

const number = (value: number | undefined) => (value === undefined || value < 0 ? "*" : String(value));

/** The rules that count, in order: a rule for all devices makes what came before it void. */
export function effectiveRules(rules: readonly DeviceRule[]): { allowAll: boolean; rules: DeviceRule[] } {
  let allowAll = true;
  let effective: DeviceRule[] = [];
  for (const rule of [...rules, ...(rules.length > 0 ? ALWAYS_ALLOWED : [])]) {
    const all =
      (rule.type === undefined || rule.type === "a") &&
      number(rule.major) === "*" &&
      number(rule.minor) === "*";
    const { access } = rule;
    if (all && (!access || (access.includes("r") && access.includes("w") && access.includes("m")))) {
      allowAll = rule.allow;
      effective = [];
    } else if (!(allowAll && rule.allow)) effective.push(rule);
  }
  return { allowAll, rules: effective };
}

/** Writes for the v1 devices controller. */
export function deviceRules(rules: readonly DeviceRule[]): { file: string; value: string }[] {
  if (rules.length === 0) return [];
  const effective = effectiveRules(rules);
  const out = [{ file: effective.allowAll ? "devices.allow" : "devices.deny", value: "a" }];
  for (const rule of effective.rules) {
    const types = rule.type === undefined || rule.type === "a" ? ["c", "b"] : [rule.type];
    for (const type of types)
      out.push({
        file: rule.allow ? "devices.allow" : "devices.deny",
        value: `${type} ${number(rule.major)}:${number(rule.minor)} ${rule.access || "rwm"}`,
      });
  }
  return out;
}
