import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import {
  ContainerCreateSchema,
  NamespaceCreateSchema,
  SnapshotCommitSchema,
} from "../../../src/wire/gen/events/store_pb.ts";
import { bytesOf, digestOf, type Ground, type Open, refusal, watch } from "./ground.ts";

export function eventsSuite(how: string, open: Open): void {
  describe(`events, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());

    test("every change is told, in order, with containerd's topics and types", async () => {
      const { namespaces, images, containers, leases } = on.services;
      const snapshots = on.services.snapshots.snapshotter("overlayfs");
      const seen = await watch(on.services);
      await namespaces.create({ name: "ev", labels: { a: "b" } });
      const target = { mediaType: "m", digest: digestOf("x"), size: 1 };
      await images.create("ev", { name: "i", labels: {}, target });
      await images.delete("ev", "i");
      await snapshots.prepare("ev", "k", "");
      await snapshots.commit("ev", "n", "k");
      const spec = { typeUrl: "t", value: bytesOf("{}") };
      const runtime = { name: "r", options: { typeUrl: "o", value: bytesOf("1") } };
      const rest = { labels: {}, image: "i", snapshotter: "", snapshotKey: "", extensions: {} };
      await containers.create("ev", { id: "c", runtime, spec, ...rest });
      await containers.delete("ev", "c");
      await leases.create("ev", "quiet");
      await snapshots.remove("ev", "n");
      const events = await seen.take(8);
      await seen.end();
      expect(events.map(({ topic }) => topic)).toEqual([
        "/namespaces/create",
        "/images/create",
        "/images/delete",
        "/snapshot/prepare",
        "/snapshot/commit",
        "/containers/create",
        "/containers/delete",
        "/snapshot/remove",
      ]);
      expect(new Set(events.map(({ namespace }) => namespace))).toEqual(new Set(["ev"]));
      expect(events[1]!.event.typeUrl).toBe("containerd.services.images.v1.ImageCreate");
      expect(events[0]!.event.typeUrl).toBe("containerd.events.NamespaceCreate");
      expect(fromBinary(NamespaceCreateSchema, events[0]!.event.value).labels).toEqual({ a: "b" });
      expect(fromBinary(SnapshotCommitSchema, events[4]!.event.value)).toMatchObject({
        key: "k",
        name: "n",
        ...(on.real ? {} : { snapshotter: "overlayfs" }),
      });
      expect(fromBinary(ContainerCreateSchema, events[5]!.event.value)).toMatchObject({
        id: "c",
        image: "i",
        runtime: { name: "r", options: { typeUrl: "o" } },
      });
    });

    test("a refused change is not told, and filters choose by topic, namespace and the event's own fields", async () => {
      const { namespaces, events } = on.services;
      const mine = await watch(on.services, [
        'namespace==fx,topic=="/namespaces/create"',
        "event.name==marked",
      ]);
      await namespaces.create({ name: "other", labels: {} });
      await refusal(namespaces.create({ name: "other", labels: {} }), "AlreadyExists");
      await namespaces.create({ name: "marked", labels: {} });
      await namespaces.create({ name: "fx", labels: {} });
      const [one, two] = await mine.take(2);
      expect([one!.namespace, two!.namespace]).toEqual(["marked", "fx"]);
      await mine.end();
      const bad = events.subscribe(["=="], new AbortController().signal);
      await refusal(bad[Symbol.asyncIterator]().next(), on.real ? "Unknown" : "InvalidArgument");
    });

    test("published and forwarded events reach subscribers as they were", async () => {
      const { events } = on.services;
      const seen = await watch(on.services, ["topic~=|^/tasks/|"]);
      const event = { typeUrl: "containerd.events.TaskExit", value: bytesOf("\x0a\x01c") };
      await events.publish("moby", "/tasks/exit", event);
      const timestamp = new Date("2020-01-02T03:04:05.678Z");
      await events.forward({ timestamp, namespace: "moby", topic: "/tasks/start", event });
      const [published, forwarded] = await seen.take(2);
      expect(published).toMatchObject({ namespace: "moby", topic: "/tasks/exit", event });
      expect(forwarded).toEqual({ timestamp, namespace: "moby", topic: "/tasks/start", event });
      await seen.end();
      await refusal(events.publish("moby", "tasks/exit", event), "InvalidArgument");
      await refusal(events.publish("", "/tasks/exit", event), "FailedPrecondition");
    });
  });
}
