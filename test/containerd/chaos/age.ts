// A dead daemon's root made two days older: what leases, unfinished ingests and young snapshots held is the collector's then.
import { Database } from "bun:sqlite";
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";

const AGE_MS = 48 * 60 * 60 * 1000;
const EXPIRE = "containerd.io/gc.expire";

export function age(root: string): void {
  const meta = new Database(join(root, "io.containerd.metadata.v1.sqlite", "meta.db"));
  try {
    meta.run("UPDATE snapshot SET created = created - ?, updated = updated - ?", [AGE_MS, AGE_MS]);
    meta.run("UPDATE content SET created = created - ?", [AGE_MS]);
    const leases = meta.query<{ ns: string; id: string; labels: string }, []>(
      "SELECT ns, id, labels FROM lease",
    );
    for (const { ns, id, labels } of leases.all()) {
      const read = JSON.parse(labels) as Record<string, string>;
      const end = read[EXPIRE];
      if (end === undefined) continue;
      const older = { ...read, [EXPIRE]: new Date(Date.parse(end) - AGE_MS).toISOString() };
      meta.run("UPDATE lease SET labels = ? WHERE ns = ? AND id = ?", [JSON.stringify(older), ns, id]);
    }
  } finally {
    meta.close();
  }
  const ingests = join(root, "io.containerd.content.v1.content", "ingest");
  const then = (Date.now() - AGE_MS) / 1000;
  for (const name of readdirSync(ingests)) {
    const data = join(ingests, name, "data");
    if (existsSync(data)) utimesSync(data, then, then);
  }
}
