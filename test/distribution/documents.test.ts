// The image documents are held against the image-spec project's own test data.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { Config, chainIds, Descriptor, Index, Layout, Manifest } from "../../src/spec/oci/image.ts";

const fixtures = join(import.meta.dir, "fixtures", "image");

const schemas: Record<string, z.ZodType> = {
  config: Config,
  descriptor: Descriptor,
  index: Index,
  layout: Layout,
  manifest: Manifest,
};

function accepts(schema: z.ZodType, text: string): boolean {
  try {
    return schema.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}

for (const [kind, schema] of Object.entries(schemas)) {
  describe(kind, () => {
    for (const verdict of ["good", "bad"]) {
      for (const file of readdirSync(join(fixtures, kind, verdict))) {
        test(`${verdict}: ${file}`, () => {
          const text = readFileSync(join(fixtures, kind, verdict, file), "utf8");
          expect(accepts(schema, text)).toBe(verdict === "good");
        });
      }
    }
  });
}

describe("Docker's documents", () => {
  const of: Record<string, z.ZodType> = {
    "compat-01.json": Index,
    "compat-02.json": Manifest,
    "compat-03.json": Config,
    "compat-04.json": Config,
  };
  for (const [file, schema] of Object.entries(of)) {
    test(file, () => {
      const document = JSON.parse(readFileSync(join(fixtures, "compat", "good", file), "utf8"));
      expect(schema.safeParse(document).error).toBeUndefined();
    });
  }
});

test("chain IDs follow config.md's recursion", () => {
  const a = `sha256:${"a".repeat(64)}`;
  const b = `sha256:${"b".repeat(64)}`;
  const second = new Bun.CryptoHasher("sha256").update(`${a} ${b}`).digest("hex");
  expect(chainIds([])).toEqual([]);
  expect(chainIds([a, b])).toEqual([a, `sha256:${second}`]);
});
