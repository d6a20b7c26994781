// Clients that nobody here wrote, against our engine:
//   node scripts/bootstrap.mjs scripts/third-party.ts [--suite NAME=DIR]… [--image NAME=FILE.tar]… [--engine docker.io] [--only REGEX]
// NAME is dockerode, docker-py or testcontainers (their sources, with what they need installed), or devcontainers (a directory with
// node_modules/@devcontainers/cli). skopeo and docker-compose run always, when Debian's are there. Images are tars of root file
// systems or come from `docker save`; they are served by a registry on loopback which the engine has as a mirror, so that the suites pull them by their public
// names. This script neither fetches nor builds. It prints a table, then every test that failed with what it said.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeGround } from "./third-party/ground.ts";
import type { Outcome, Suite } from "./third-party/outcome.ts";

const { values } = parseArgs({
  options: {
    suite: { type: "string", multiple: true, default: [] },
    image: { type: "string", multiple: true, default: [] },
    engine: { type: "string", default: "ours" },
    only: { type: "string" },
    report: { type: "string" },
  },
});
if (process.getuid?.() !== 0) {
  console.error("third-party: containers need root");
  process.exit(1);
}

const pairs = (list: readonly string[]) =>
  list.map((one): [string, string] => {
    const equals = one.indexOf("=");
    return [one.slice(0, equals), resolve(one.slice(equals + 1))];
  });

const suites: Readonly<Record<string, { needs?: string; load: () => Promise<Suite> }>> = {
  compose: {
    needs: "/usr/bin/docker-compose",
    load: async () => (await import("./third-party/compose.ts")).compose,
  },
  skopeo: { needs: "/usr/bin/skopeo", load: async () => (await import("./third-party/skopeo.ts")).skopeo },
  dockerode: { load: async () => (await import("./third-party/dockerode.ts")).dockerode },
  "docker-py": { load: async () => (await import("./third-party/docker-py.ts")).dockerPy },
  testcontainers: { load: async () => (await import("./third-party/testcontainers.ts")).testcontainers },
  devcontainers: { load: async () => (await import("./third-party/devcontainers.ts")).devcontainers },
};

const given = new Map(pairs(values.suite));
const unknown = [...given.keys()].filter((name) => !(name in suites));
if (unknown.length > 0) {
  console.error(`third-party: no suite ${unknown.join(", ")} (there are ${Object.keys(suites).join(", ")})`);
  process.exit(64);
}
const only = values.only === undefined ? undefined : new RegExp(values.only);
const images = new Map(pairs(values.image));

const results = new Map<string, Outcome[]>();
for (const [name, { needs, load }] of Object.entries(suites)) {
  if (only && !only.test(name)) continue;
  const directory = given.get(name);
  if (directory === undefined && (needs === undefined || !existsSync(needs))) continue;
  const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), `bunker-${name}-`));
  try {
    const suite = await load();
    // A fresh engine each: what one suite leaves behind is not the next one's trouble.
    await using ground = await makeGround(values.engine, images, scratch);
    results.set(name, await suite(ground, directory ?? ""));
    const own = results.get(name)!;
    const count = (result: Outcome["result"]) => own.filter((one) => one.result === result).length;
    console.log(
      `${name.padEnd(16)} ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`,
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
for (const [name, outcomes] of results) {
  for (const one of outcomes.filter(({ result }) => result === "failed")) {
    console.log(`\n--- ${name}: ${one.test}\n${one.said}`);
  }
}
if (values.report) writeFileSync(values.report, JSON.stringify(Object.fromEntries(results), undefined, 1));
