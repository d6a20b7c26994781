// `docker manifest`, ours and the real one, against the same registry: what is printed, what is kept, what the registry has after.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, linkRoles, realDocker } from "../support/binary.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { run } from "../support/process.ts";
import { type Registry, startRegistry } from "../support/registry.ts";

/** % is the registry's address; NAME is a list's repository, another one for each client. */
const LINES: readonly string[] = [
  "create %/NAME:1 %/bb:docker",
  "create --insecure %/NAME:1 %/bb:docker %/bb:oci",
  "create --insecure %/NAME:1 %/bb:docker",
  "create --insecure --amend %/NAME:1 %/sister:docker",
  "create --insecure %/NAME:oci %/bb:oci",
  "create --insecure %/NAME:2 %/bb:nosuch",
  "create --insecure BAD %/bb:oci",
  "create --insecure %/NAME:2 BAD",
  "inspect %/NAME:1",
  "inspect -v %/NAME:1",
  "inspect %/NAME:oci",
  "inspect %/NAME:1 %/bb:oci",
  "inspect -v %/NAME:1 %/bb:oci",
  "inspect %/NAME:1 %/bb:nosuch",
  "annotate %/NAME:1 %/bb:oci --arch arm --variant v7 --os-features a,b --os-features a --os-version 1",
  "annotate %/NAME:1 %/bb:oci --arch nosuch",
  "annotate %/NAME:1 %/bb:nosuch --arch arm",
  "annotate %/NAME:1 BAD",
  "annotate BAD %/bb:oci",
  "annotate %/NAME:1",
  "push %/NAME:nosuch",
  "push --insecure %/NAME:1",
  "push --purge --insecure %/NAME:1",
  "push %/NAME:oci",
  "inspect %/NAME:1",
  "inspect --insecure %/NAME:1",
  "inspect --insecure -v %/NAME:1",
  "inspect --insecure %/NAME:oci",
  "inspect --insecure %/bb:docker",
  "inspect --insecure -v %/bb:oci",
  "inspect --insecure %/bb:nosuch",
  "create --insecure %/NAME:3 %/NAME:1",
  "rm %/NAME:oci",
  "rm a b",
  "rm",
];

describe.skipIf(!built || !realDocker || process.getuid!() !== 0)("docker manifest", () => {
  const dir = mkdtempSync(join(tmpdir(), "bunker-manifest-"));
  let netns: Netns;
  let registry: Registry;
  beforeAll(async () => {
    netns = await makeNetns();
    registry = await startRegistry(netns);
    const layout = await busyboxImage();
    await registry.push(layout, "bb:docker");
    await registry.push(layout, "bb:oci", "oci");
    await registry.push(layout, "sister:docker");
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await netns[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  async function play(name: string, client: string): Promise<unknown[]> {
    const config = join(dir, name);
    mkdirSync(join(config, "manifests"), { recursive: true });
    const said: unknown[] = [];
    for (const line of LINES) {
      const words = line.replaceAll("%", registry.address).replaceAll("NAME", name).split(" ");
      const result = await run(netns.inside([client, "manifest", ...words]), {
        env: { DOCKER_CONFIG: config },
      });
      const kept = readdirSync(join(config, "manifests"), { recursive: true, encoding: "utf8" })
        .sort()
        .map((file) => {
          const path = join(config, "manifests", file);
          return [file, file.includes("/") ? readFileSync(path, "utf8") : ""];
        });
      said.push({ line, ...result, kept });
    }
    return JSON.parse(JSON.stringify(said).replaceAll(name, "NAME")) as unknown[];
  }

  test("the same lines, ours and the real one's", async () => {
    const theirs = await play("theirs", realDocker!);
    expect(await play("ours", join(linkRoles(), "docker"))).toEqual(theirs);
  }, 120_000);
});
