// What survives: a killed process at any moment, a lost or damaged database, a full disk.

import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Containerd, openContainerd } from "../../src/roles/containerd/services.ts";
import { must } from "../support/process.ts";
import { bytesOf, digestOf, put, readAll, refusal } from "./suites/ground.ts";

let base: string;
let opened: Containerd | undefined;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "bunker-durable-"));
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
  rmSync(base, { recursive: true, force: true });
});

const root = () => join(base, "root");
const open = async () => {
  opened = await openContainerd({ root: root(), state: join(base, "state"), address: join(base, "c.sock") });
  return opened.services;
};
const reopen = async () => {
  await opened?.close();
  return open();
};
const metadata = () => join(root(), "io.containerd.metadata.v1.sqlite", "meta.db");
const directories = () => join(root(), "io.containerd.snapshotter.v1.overlayfs", "snapshots");
const ingests = () => join(root(), "io.containerd.content.v1.content", "ingest");

describe("a restart", () => {
  test("finds everything as it was", async () => {
    let services = await open();
    const digest = await put(services, "moby", "kept", { "containerd.io/gc.root": "1" });
    await services.images.create("moby", {
      name: "i",
      labels: { a: "b" },
      target: { mediaType: "m", digest, size: 4 },
    });
    await services.leases.create("moby", "l");
    await services.leases.addResource("moby", "l", { type: "snapshots/overlayfs", id: "k" });
    const mounts = await services.snapshots.snapshotter("").prepare("moby", "k", "");
    const writer = await services.content.writer("moby", "half");
    await writer.write(bytesOf("half of"));
    services = await reopen();
    expect(await readAll(services.content.read("moby", digest))).toBe("kept");
    expect((await services.images.get("moby", "i")).labels).toEqual({ a: "b" });
    expect(await services.leases.listResources("moby", "l")).toEqual([
      { type: "snapshots/overlayfs", id: "k" },
    ]);
    expect(await services.snapshots.snapshotter("").mounts("moby", "k")).toEqual(mounts);
    expect((await services.content.status("moby", "half")).offset).toBe(7);
  });

  test("removes directories without a record and remakes an empty one that its record misses", async () => {
    let services = await open();
    const snapshotter = () => services.snapshots.snapshotter("");
    const [made] = await snapshotter().prepare("moby", "k", "");
    await opened!.close();
    mkdirSync(join(directories(), "77", "fs"), { recursive: true });
    mkdirSync(join(directories(), "rm-3", "fs"), { recursive: true });
    rmSync(join(directories(), "1"), { recursive: true });
    services = await open();
    expect(readdirSync(directories())).toEqual(["1"]);
    expect(existsSync(made!.source)).toBe(true);
    await snapshotter().commit("moby", "n", "k");
    await snapshotter().prepare("moby", "child", "n");
    await opened!.close();
    rmSync(join(directories(), "1"), { recursive: true });
    services = await open();
    // A committed layer that is gone cannot be made up; what stood on it goes too.
    expect(await snapshotter().list("moby")).toEqual([]);
    expect(readdirSync(directories())).toEqual([]);
  });

  test("of another boot takes an ingest up at what was surely on the disk", async () => {
    let services = await open();
    const writer = await services.content.writer("moby", "r", { total: 10 });
    await writer.write(bytesOf("0123456789"));
    await opened!.close();
    const [name] = readdirSync(ingests());
    const path = join(ingests(), name!, "status");
    const status = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...status, boot: "another", synced: 4 }));
    services = await open();
    const again = await services.content.writer("moby", "r");
    expect(again.status().offset).toBe(4);
    await again.write(bytesOf("456789"));
    expect(await again.commit(10, undefined)).toEqual({ digest: digestOf("0123456789") });
  });
});

describe("kill -9", () => {
  test("in the middle of an ingest loses no byte of it, and no lock stays", async () => {
    const script = `
      import { openContainerd } from ${JSON.stringify(join(import.meta.dir, "../../src/roles/containerd/services.ts"))};
      const [root, state, address] = process.argv.slice(-3);
      const { services } = await openContainerd({ root, state, address });
      const writer = await services.content.writer("moby", "killed", { total: 6 });
      await writer.write(new TextEncoder().encode("abc"));
      await services.snapshots.snapshotter("").prepare("moby", "active", "");
      process.kill(process.pid, "SIGKILL");`;
    const file = join(base, "victim.ts");
    writeFileSync(file, script);
    const victim = Bun.spawn([process.execPath, file, root(), join(base, "state"), join(base, "c.sock")], {
      stdout: "ignore",
      stderr: "pipe",
    });
    await victim.exited;
    expect([victim.signalCode, await new Response(victim.stderr).text()]).toEqual(["SIGKILL", ""]);
    const services = await open();
    const writer = await services.content.writer("moby", "killed", { total: 6 });
    expect(writer.status().offset).toBe(3);
    await writer.write(bytesOf("def"));
    expect(await writer.commit(6, digestOf("abcdef"))).toEqual({ digest: digestOf("abcdef") });
    expect((await services.snapshots.snapshotter("").stat("moby", "active")).kind).toBe("Active");
  });
});

describe("a damaged database", () => {
  const damage = () => writeFileSync(metadata(), "this is no database ".repeat(500));
  const asides = () => readdirSync(join(metadata(), "..")).filter((name) => name.includes(".damaged-"));

  test("is set aside, and its last copy steps in", async () => {
    let services = await open();
    const digest = await put(services, "moby", "x", { "containerd.io/gc.root": "1" });
    await services.images.create("moby", {
      name: "i",
      labels: {},
      target: { mediaType: "m", digest, size: 1 },
    });
    await opened!.close();
    damage();
    services = await open();
    expect(asides().length).toBeGreaterThan(0);
    expect((await services.images.list("moby")).map(({ name }) => name)).toEqual(["i"]);
    expect(await readAll(services.content.read("moby", digest))).toBe("x");
  });

  test("without a copy is begun anew, and snapshots come back from their directories", async () => {
    let services = await open();
    const snapshotter = () => services.snapshots.snapshotter("");
    await snapshotter().prepare("moby", "p", "", { a: "b" });
    await snapshotter().commit("moby", "base", "p", { c: "d" });
    const mounts = await snapshotter().prepare("moby", "box", "base");
    await opened!.close();
    damage();
    rmSync(`${metadata()}.backup`);
    services = await open();
    expect(await snapshotter().stat("moby", "base")).toMatchObject({ kind: "Committed", labels: { c: "d" } });
    expect(await snapshotter().mounts("moby", "box")).toEqual(mounts);
    // Numbers go on where they were.
    await snapshotter().prepare("moby", "next", "");
    expect(readdirSync(directories()).sort()).toEqual(["1", "2", "3"]);
  });

  test("of a newer program is refused and left alone", async () => {
    await open();
    await opened!.close();
    const db = new Database(metadata());
    db.exec("PRAGMA user_version = 9999");
    db.close();
    opened = undefined;
    await expect(open()).rejects.toThrow(/written by a newer program/);
    expect(asides()).toEqual([]);
    const again = new Database(metadata());
    again.exec("PRAGMA user_version = 1");
    again.close();
    await open();
  });
});

test("a root that is open elsewhere is refused", async () => {
  await open();
  await expect(
    openContainerd({ root: root(), state: join(base, "state2"), address: join(base, "d.sock") }),
  ).rejects.toThrow(`containerd root ${root()} is in use by another containerd`);
});

describe("a full disk", () => {
  beforeEach(async () => {
    mkdirSync(root());
    await must(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", root()]);
  });
  afterEach(async () => {
    await opened?.close();
    opened = undefined;
    await must(["umount", root()]);
  });

  /** Fills what is left and gives the file that has to go for things to work again. */
  const fill = () => {
    const path = join(root(), "filler");
    for (let size = 1 << 20; size >= 1; size >>= 1) {
      try {
        for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
      } catch {}
    }
    return path;
  };

  test("ends an ingest with a clear error, keeps nothing of it, and all goes on when there is room", async () => {
    const services = await open();
    const writer = await services.content.writer("moby", "big");
    const error = await refusal(writer.write(new Uint8Array(4 << 20)), "ResourceExhausted");
    expect(error.message).toBe("write to ingest big: no space left on device");
    expect(readdirSync(ingests())).toEqual([]);
    await put(services, "moby", "small");
    await services.content.delete("moby", digestOf("small"));
  });

  test("refuses snapshots, blobs and records without a half of any of them", async () => {
    const services = await open();
    const snapshotter = services.snapshots.snapshotter("");
    const digest = await put(services, "moby", "before", { "containerd.io/gc.root": "1" });
    await snapshotter.prepare("moby", "p", "");
    await snapshotter.commit("moby", "base", "p");
    const early = { mediaType: "m", digest, size: 6 };
    await services.images.create("moby", { name: "early", labels: {}, target: early });
    const filler = fill();
    // WAL frames find room in what the log has already; so it is many records that meet the end.
    const refused = async (each: (n: number) => Promise<unknown>) => {
      for (let n = 0; n < 2000; n++) {
        try {
          await each(n);
        } catch (error) {
          return { error: error as Error & { code?: string }, n };
        }
      }
      throw new Error("the disk never was full");
    };
    const image = await refused((n) =>
      services.images.create("moby", { name: `i${n}`, labels: { pad: "x".repeat(4000) }, target: early }),
    );
    expect([image.error.code, image.error.message]).toEqual([
      "ResourceExhausted",
      `create image "i${image.n}": no space left on device`,
    ]);
    await refusal(services.images.get("moby", `i${image.n}`), "NotFound");
    const before = readdirSync(directories()).length;
    const snapshot = await refused((n) => snapshotter.prepare("moby", `s${n}`, "base"));
    expect(snapshot.error.code).toBe("ResourceExhausted");
    expect(readdirSync(directories()).length).toBe(before + snapshot.n);
    await refusal(put(services, "moby", "during"), "ResourceExhausted");
    expect(readdirSync(ingests())).toEqual([]);
    expect(await readAll(services.content.read("moby", digest))).toBe("before");

    // Deleting makes room by itself.
    await services.images.delete("moby", "early");
    for (let n = 0; n < snapshot.n; n++) await snapshotter.remove("moby", `s${n}`);
    await snapshotter.remove("moby", "base");
    await services.content.delete("moby", digest);

    rmSync(filler);
    await snapshotter.prepare("moby", "after", "");
    await put(services, "moby", "after");
    await services.images.create("moby", { name: "after", labels: {}, target: early });
  });
});
