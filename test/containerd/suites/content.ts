import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, claim, digestOf, type Ground, type Open, put, readAll, refusal } from "./ground.ts";

export function contentSuite(how: string, open: Open): void {
  describe(`content, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());
    const store = () => join(on.root, "io.containerd.content.v1.content");
    const blob = (digest: string) => join(store(), "blobs", digest.replace(":", "/"));

    test("a blob is written, verified, read whole and in parts, labelled and deleted", async () => {
      const { content } = on.services;
      const digest = await put(on.services, "moby", "hello world", { role: "greeting" });
      const info = await content.info("moby", digest);
      expect(info).toMatchObject({ digest, size: 11, labels: { role: "greeting" } });
      expect(statSync(blob(digest)).mode & 0o777).toBe(0o444);
      expect(await readAll(content.read("moby", digest))).toBe("hello world");
      expect(await readAll(content.read("moby", digest, { offset: 6 }))).toBe("world");
      expect(await readAll(content.read("moby", digest, { offset: 2, size: 3 }))).toBe("llo");
      await refusal(readAll(content.read("moby", digest, { offset: 12 })), "OutOfRange");
      await content.update("moby", { digest, labels: { role: "", "containerd.io/gc.root": "now" } }, [
        "labels.role",
        "labels.containerd.io/gc.root",
      ]);
      expect((await content.info("moby", digest)).labels).toEqual({ "containerd.io/gc.root": "now" });
      const found = (filter: string) =>
        content.list("moby", [filter]).then((all) => all.map((one) => one.digest));
      expect(await found(`digest==${JSON.stringify(digest)}`)).toEqual([digest]);
      expect(await found(`digest==${JSON.stringify(digestOf("other"))}`)).toEqual([]);
      if (!on.real) expect(await found("size==11")).toEqual([digest]);
      await content.delete("moby", digest);
      if (!on.real) expect(existsSync(blob(digest))).toBe(false);
      await refusal(content.info("moby", digest), "NotFound");
      await refusal(readAll(content.read("moby", digest)), "NotFound");
      await refusal(content.delete("moby", digest), "NotFound");
    });

    test("an ingest is resumed where it was left, and held by one writer at a time", async () => {
      const { content } = on.services;
      const whole = bytesOf("0123456789");
      const expected = digestOf(whole);
      const first = await content.writer("moby", "resumed", { total: 10, expected });
      expect(first.status()).toMatchObject({ ref: "resumed", offset: 0, total: 10 });
      await first.write(whole.subarray(0, 4));
      const error = await refusal(content.writer("moby", "resumed"), "Unavailable");
      expect(error.message).toMatch(/ref moby\/(1\/)?resumed locked/);
      // The real one would pull it from under the writer.
      if (!on.real) await refusal(content.abort("moby", "resumed"), "Unavailable");
      await first.close();
      expect(await content.status("moby", "resumed")).toMatchObject({ offset: 4, total: 10 });
      expect((await content.statuses("moby", ["ref==resumed"])).length).toBe(1);
      expect(await content.statuses("other")).toEqual([]);
      const second = await content.writer("moby", "resumed", { total: 10, expected });
      expect(second.status().offset).toBe(4);
      expect(second.digest()).toBe(digestOf("0123"));
      await second.write(whole.subarray(4));
      expect(await second.commit(10, expected)).toEqual({ digest: expected });
      expect(await readAll(content.read("moby", expected))).toBe("0123456789");
      await refusal(content.status("moby", "resumed"), "NotFound");
      await refusal(content.writer("moby", "again", { expected }), "AlreadyExists");
    });

    test("what was written can be thrown away and written anew", async () => {
      const { content } = on.services;
      const writer = await content.writer("moby", "truncated");
      await writer.write(bytesOf("wrong"));
      await writer.truncate(0);
      expect(writer.status().offset).toBe(0);
      await writer.write(bytesOf("right"));
      expect(await writer.commit(5, undefined)).toEqual({ digest: digestOf("right") });
    });

    test("a wrong size is refused and can be mended; a wrong digest is the end of the ingest", async () => {
      const { content } = on.services;
      const sized = await content.writer("moby", "sized");
      await sized.write(bytesOf("1234"));
      await refusal(sized.commit(5, undefined), "FailedPrecondition");
      await sized.close();
      expect((await content.status("moby", "sized")).offset).toBe(4);
      await content.abort("moby", "sized");
      await refusal(content.abort("moby", "sized"), "NotFound");

      const expected = digestOf("the real thing");
      const forged = await content.writer("moby", "forged", { expected });
      await forged.write(bytesOf("something else"));
      const error = await refusal(forged.commit(0, expected), "FailedPrecondition");
      expect(error.message).toContain(`unexpected commit digest ${digestOf("something else")}`);
      await forged.close();
      await refusal(content.info("moby", digestOf("something else")), "NotFound");
      // The real one keeps bytes that no resumption could mend.
      if (on.real) return;
      await refusal(content.status("moby", "forged"), "NotFound");
      expect(readdirSync(join(store(), "ingest"))).toEqual([]);
    });

    test("a digest never names a path outside of the store", async () => {
      const { content } = on.services;
      for (const digest of [
        "",
        "sha256:",
        "sha256:../../x",
        `sha256:${"g".repeat(64)}`,
        "md5:00",
        "nocolon",
      ]) {
        await refusal(content.info("moby", digest), "InvalidArgument");
      }
    });

    test("two namespaces share a file but not its record", async () => {
      const { content } = on.services;
      const digest = await put(on.services, "one", "shared bytes", { mine: "1" });
      await refusal(content.info("two", digest), "NotFound");
      await refusal(readAll(content.read("two", digest)), "NotFound");
      await claim(content, "two", digest);
      expect((await content.info("two", digest)).labels).toEqual({});
      await content.delete("one", digest);
      expect(await readAll(content.read("two", digest))).toBe("shared bytes");
      await content.delete("two", digest);
      // The real one leaves the file to its collector.
      if (!on.real) expect(existsSync(blob(digest))).toBe(false);
    });

    test("megabytes pass through in order", async () => {
      const { content } = on.services;
      const big = new Uint8Array(5_000_001);
      for (let at = 0; at < big.length; at += 7) big[at] = at % 251;
      const digest = digestOf(big);
      const writer = await content.writer("moby", "big", { total: big.length, expected: digest });
      await writer.write(big.subarray(0, 3_000_000));
      await writer.write(big.subarray(3_000_000));
      await writer.commit(big.length, digest);
      const hash = new Bun.CryptoHasher("sha256");
      for await (const chunk of content.read("moby", digest)) hash.update(chunk);
      expect(`sha256:${hash.digest("hex")}`).toBe(digest);
    });

    test("an empty blob is a blob", async () => {
      const digest = await put(on.services, "moby", "");
      expect(await readAll(on.services.content.read("moby", digest))).toBe("");
    });
  });
}
