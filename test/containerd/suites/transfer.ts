import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Server } from "bun";
import type { TransferProgress } from "../../../src/wire/containerd/services.ts";
import { fakeRegistry } from "../../support/registry-fake.ts";
import { tar } from "../../support/tar.ts";
import { type Ground, type Open, refusal } from "./ground.ts";

const NS = "moved";

export function transferSuite(how: string, open: Open): void {
  describe(`transfer, ${how}`, () => {
    let on: Ground;
    let registry: Server<undefined>;
    let image: string;
    beforeAll(async () => {
      on = await open();
      registry = fakeRegistry({
        box: { layer: tar([{ name: "greeting", content: "hello ".repeat(50_000) }]) },
        torn: { layer: tar([{ name: "f", content: "x".repeat(5000) }]), send: (bytes) => bytes.fill(7) },
      });
      image = `127.0.0.1:${registry.port}/box:latest`;
    });
    afterAll(async () => {
      await on.close();
      await registry.stop(true);
    });
    const pull = (reference: string, unpack = true) => {
      const events: TransferProgress["event"][] = [];
      const pulled = on.services.transfer.pull(NS, { reference, insecure: true, unpack }, ({ event }) =>
        events.push(event),
      );
      return pulled.then((made) => ({ made, events }));
    };
    const leases = async () => (await on.services.leases.list(NS)).map(({ id }) => id);

    test("pull brings the image, its blobs and its snapshots, and leaves no lease", async () => {
      const { made, events } = await pull(image);
      expect(made.name).toBe(image);
      expect(events[0]).toBe("resolved");
      expect(events.at(-1)).toBe("done");
      expect(await on.services.images.get(NS, image)).toMatchObject({ target: made.target });
      expect((await on.services.content.list(NS)).length).toBe(3);
      const [layer] = await on.services.snapshots.snapshotter("overlayfs").list(NS);
      expect(layer).toMatchObject({ kind: "Committed", parent: "" });
      expect(await leases()).toEqual([]);
      // Once more there is nothing to bring.
      expect((await pull(image)).events).toContain("exists");
    });

    test("what is not there, or not what it should be, is refused and leaves nothing", async () => {
      await refusal(pull(`127.0.0.1:${registry.port}/nope:latest`), "NotFound");
      await refusal(pull("no/UPPER:x"), "InvalidArgument");
      const before = (await on.services.content.list(NS)).length;
      await refusal(pull(`127.0.0.1:${registry.port}/torn:latest`), "DataLoss");
      await refusal(on.services.images.get(NS, `127.0.0.1:${registry.port}/torn:latest`), "NotFound");
      expect(await leases()).toEqual([]);
      expect((await on.services.content.statuses(NS)).length).toBe(0);
      const { id } = await on.services.leases.create(NS, "");
      await on.services.leases.delete(NS, id, { sync: true });
      expect((await on.services.content.list(NS)).length).toBe(before);
    });

    test("export and import: the same image again", async () => {
      const { images, transfer, content } = on.services;
      const { target } = await images.get(NS, image);
      const parts: Uint8Array[] = [];
      for await (const part of transfer.export(NS, { images: [image] })) parts.push(part);
      await images.delete(NS, image, { sync: true });
      expect(await content.list(NS)).toEqual([]);
      const archive = async function* () {
        yield* parts;
      };
      const made = await transfer.import(NS, archive());
      expect(made.map((one) => [one.name, one.target.digest])).toEqual([[image, target.digest]]);
      expect((await on.services.snapshots.snapshotter("overlayfs").list(NS)).length).toBe(1);
      expect(await leases()).toEqual([]);
      const junk = async function* () {
        yield new TextEncoder().encode("no archive at all".repeat(100));
      };
      await refusal(transfer.import(NS, junk()), "InvalidArgument");
      const never = transfer.export(NS, { images: ["nope:1"] });
      await refusal(never[Symbol.asyncIterator]().next(), "NotFound");
    });

    test("an abort ends a pull as Canceled", async () => {
      const controller = new AbortController();
      controller.abort();
      const { transfer } = on.services;
      const pulled = transfer.pull(NS, { reference: image, insecure: true, signal: controller.signal });
      await refusal(pulled, "Canceled");
      expect(await leases()).toEqual([]);
    });
  });
}
