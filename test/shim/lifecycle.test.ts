// Every cell of the life-cycle tables, and the README's copy of them.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EXEC, INIT, next } from "../../src/roles/shim/lifecycle.ts";
import { ServiceError } from "../../src/wire/containerd/services.ts";

type AnyTable = Record<string, Record<string, { to: string } | { refuse: string; as: string }>>;

/** What the cells must be, written a second time by hand: the next state, "-" refused, "?" refused as NotFound. */
const WANTED: Record<string, string[]> = {
  init: [
    "          start   pause  resume  update  checkpoint exec    kill    delete  exit",
    "created   running -      -       created -          created created deleted stopped",
    "running   -       paused -       running running    running running -       stopped",
    "paused    -       -      running paused  paused     -       paused  -       stopped",
    "stopped   -       -      -       -       -          -       ?       deleted stopped",
    "deleted   -       -      -       -       -          -       ?       ?       deleted",
  ],
  exec: [
    "          start   resize  kill    delete  exit",
    "created   running created -       deleted stopped",
    "running   -       running running -       stopped",
    "stopped   -       -       ?       deleted stopped",
    "deleted   -       -       ?       ?       deleted",
  ],
};

const tables: Record<string, AnyTable> = { init: INIT as AnyTable, exec: EXEC as AnyTable };

for (const [name, table] of Object.entries(tables)) {
  describe(`life cycle of ${name}`, () => {
    const [head, ...rows] = WANTED[name]!.map((line) => line.trim().split(/\s+/));
    test("the wanted table has every state and event", () => {
      expect(rows.map(([state]) => state!)).toEqual(Object.keys(table));
      for (const row of Object.values(table)) expect(Object.keys(row)).toEqual(head!);
    });
    for (const [state, ...cells] of rows)
      cells.forEach((wanted, i) => {
        const event = head![i]!;
        test(`${state} × ${event} → ${wanted}`, () => {
          const act = () => next(table as never, state as never, event as never) as string;
          if (wanted !== "-" && wanted !== "?") {
            expect(act()).toBe(wanted);
            return;
          }
          try {
            act();
            expect.unreachable();
          } catch (error) {
            expect(error).toBeInstanceOf(ServiceError);
            expect((error as ServiceError).code).toBe(wanted === "?" ? "NotFound" : "FailedPrecondition");
            expect((error as ServiceError).message.length).toBeGreaterThan(10);
          }
        });
      });
  });
}

/** A table as the README has it. */
function rendered(table: AnyTable): string {
  const events = Object.keys(Object.values(table)[0]!);
  const cell = (of: { to: string } | { refuse: string; as: string }) =>
    "to" in of ? `**${of.to}**` : of.as === "NotFound" ? `not found: ${of.refuse}` : of.refuse;
  return [
    `| | ${events.join(" | ")} |`,
    `|${"---|".repeat(events.length + 1)}`,
    ...Object.entries(table).map(
      ([state, row]) => `| **${state}** | ${events.map((event) => cell(row[event]!)).join(" | ")} |`,
    ),
  ].join("\n");
}

test("the README shows the tables as they are", () => {
  const readme = readFileSync(join(import.meta.dir, "../../src/roles/shim/README.md"), "utf8");
  // The formatter pads the cells.
  const plain = (text: string) => text.replace(/ *\| */g, "|").replace(/-{3,}/g, "---");
  for (const table of Object.values(tables)) expect(plain(readme)).toContain(plain(rendered(table)));
});
