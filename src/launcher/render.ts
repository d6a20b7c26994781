// A plan as text: what `runc run --plan` prints and what the golden tests compare. One line a record.
import { Address, type Arg, COMPUTE, Constant, type Label, type Plan, Slot } from "./plan.ts";

function argument(arg: Arg): string {
  if (arg instanceof Slot) return arg.name;
  if (arg instanceof Constant) return arg.text;
  if (arg instanceof Address) return address(arg);
  return typeof arg === "number" && arg > 0xffff ? `0x${arg.toString(16)}` : String(arg);
}

/** Strings and structs show their content, other data its name. */
function address({ text, isString }: Address): string {
  if (isString) return JSON.stringify(text);
  return text.startsWith("{") ? text : `&${text}`;
}

function expression(args: readonly Arg[]): string {
  const [a, mask, shift, minus] = args;
  let text = argument(a!);
  if (mask !== -1) text = `${text} & ${argument(mask!)}`;
  if (shift !== 0) text = `(${text}) >> ${argument(shift!)}`;
  return minus === 0 ? text : `${text} - ${argument(minus!)}`;
}

/** The whole plan: its records with results, tolerated errnos and jumps, one line each. */
export function renderPlan(plan: Plan): string {
  const lines = [`plan ${plan.title} (${plan.arch}, ${plan.records.length} records)`];
  const width = String(plan.records.length).length;
  const labelsAt = (index: number) => plan.labels.filter((label) => label.index === index);
  const last = plan.records.length;
  plan.records.forEach((record, index) => {
    for (const label of labelsAt(index)) lines.push(`${label.name}:`);
    const { into, tolerate, ok, zero, fail } = record.outcome;
    const jump = record.nr === COMPUTE && ok && ok === zero && !into;
    let text = jump
      ? `goto ${ok.name}`
      : record.nr === COMPUTE
        ? expression(record.args)
        : `${record.name}(${record.args.map(argument).join(", ")})`;
    if (record.outcome.note) text = `${record.outcome.note}: ${text}`;
    if (into) text = `${into instanceof Slot ? into.name : address(into)} = ${text}`;
    const notes: string[] = [];
    const to = (label: Label) => label.name;
    if (tolerate) {
      const which = tolerate === "any" ? "any error" : tolerate.join(", ");
      notes.push(fail ? `${which} → ${to(fail)}` : `${which} is fine`);
    }
    if (!jump && zero && zero !== ok) notes.push(`0 → ${to(zero)}`);
    if (!jump && ok) notes.push(`ok → ${to(ok)}`);
    lines.push(
      `${String(index).padStart(width + 2)}  ${text}${notes.length ? `   [${notes.join("; ")}]` : ""}`,
    );
  });
  for (const label of labelsAt(last)) lines.push(`${label.name}:`);
  return `${lines.join("\n")}\n`;
}
