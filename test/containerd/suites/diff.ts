import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Mount } from "../../../src/wire/containerd/services.ts";
import { digestOf, type Ground, type Open, refusal } from "./ground.ts";

const NS = "diff";
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";

export function diffSuite(how: string, open: Open): void {
  describe(`diff, ${how}`, () => {
    let on: Ground;
    let parent: Mount[];
    let upper: Mount[];
    beforeAll(async () => {
      on = await open();
      const s = on.services.snapshots.snapshotter("");
      await on.services.leases.create(NS, "test");
      const [base] = await s.prepare(NS, "base-rw", "");
      mkdirSync(join(base!.source, "etc"));
      writeFileSync(join(base!.source, "etc", "name"), "old");
      await s.commit(NS, "base", "base-rw");
      upper = await s.prepare(NS, "top", "base");
      parent = await s.view(NS, "base-view", "base");
      const directory = upper[0]!.options.find((one) => one.startsWith("upperdir="))!.slice(9);
      mkdirSync(join(directory, "etc"));
      writeFileSync(join(directory, "etc", "name"), "new".repeat(100_000));
    });
    afterAll(() => on.close());
    const make = (mediaType: string, ref = "", labels = {}) =>
      on.services.diff.diff(NS, parent, upper, { mediaType, ref, labels });
    const read = async (digest: string) =>
      Buffer.concat(await Array.fromAsync(on.services.content.read(NS, digest)));

    test("the layer is in the content store, with its diff ID and the labels asked for", async () => {
      const made = await make(GZIP, "my-ref", { mine: "yes" });
      const blob = await read(made.digest);
      expect(made).toMatchObject({ mediaType: GZIP, digest: digestOf(blob), size: blob.length });
      const tar = gunzipSync(blob);
      expect((await on.services.content.info(NS, made.digest)).labels).toMatchObject({
        "containerd.io/uncompressed": digestOf(tar),
        mine: "yes",
      });
      expect(tar.toString("latin1")).toContain("etc/name\0");
      // The same once more is the same.
      expect(await make(GZIP, "my-ref")).toEqual(made);
    });

    test("zstd and plain tar; gzip when nothing is said", async () => {
      const plain = await make("application/vnd.oci.image.layer.v1.tar");
      if (!on.real) {
        const zstd = await make("application/vnd.oci.image.layer.v1.tar+zstd");
        expect(digestOf(zstdDecompressSync(await read(zstd.digest)))).toBe(plain.digest);
      }
      expect((await make("")).mediaType).toBe(GZIP);
      if (on.real) return;
      expect((await make("application/vnd.docker.image.rootfs.diff.tar.gzip")).mediaType).toBe(
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
      );
    });

    test("what was made is applied as it was", async () => {
      const made = await make(GZIP);
      const s = on.services.snapshots.snapshotter("");
      const mounts = await s.prepare(NS, "again", "base");
      const applied = await on.services.diff.apply(NS, made, mounts);
      expect((await on.services.content.info(NS, made.digest)).labels["containerd.io/uncompressed"]).toBe(
        applied.digest,
      );
      await s.remove(NS, "again");
    });

    test("what cannot be made is refused and leaves no ingest", async () => {
      await refusal(make("application/json", "no"), "Unimplemented");
      // The real one mounts, and passes the kernel's refusal on as Unknown.
      if (on.real) return;
      await refusal(
        on.services.diff.diff(NS, parent, [{ type: "nfs", source: "x", options: [] }], {
          mediaType: GZIP,
          ref: "nfs",
        }),
        "Unimplemented",
      );
      const nowhere = [{ type: "bind", source: join(on.root, "nowhere"), options: ["ro", "rbind"] }];
      await refusal(on.services.diff.diff(NS, parent, nowhere, { mediaType: GZIP, ref: "gone" }), "NotFound");
      expect(await on.services.content.statuses(NS)).toEqual([]);
    });
  });
}
