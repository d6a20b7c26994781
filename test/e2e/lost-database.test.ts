// What is left to a user whose metadata database is damaged, with its copy and without.
import { describe, expect, test } from "bun:test";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { built } from "../support/binary.ts";
import { startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns } from "../support/netns.ts";
import { startRegistry } from "../support/registry.ts";

const cannot = process.getuid?.() !== 0 ? " (skipped: not root)" : built ? "" : " (skipped: not built)";

describe.skipIf(cannot !== "")(`the metadata database is damaged${cannot}`, () => {
  test.each([
    ["its copy steps in: nothing is lost", true],
    ["the copy too: containers and what is written in them stay, images are pulled again", false],
  ])("%s", async (_what, copy) => {
    await using netns = await makeNetns();
    await using registry = await startRegistry(netns);
    await registry.push(await busyboxImage(), "busybox:latest");
    await using engine = await startEngine(netns);
    const docker = async (...args: string[]) => {
      const { code, stdout, stderr } = await engine.docker(args);
      return { code, out: stdout.trim(), err: stderr.trim() };
    };
    const reference = `${registry.address}/busybox`;
    expect((await docker("pull", "-q", reference)).code).toBe(0);
    const written = await docker("run", "--name", "writer", reference, "sh", "-c", "echo kept > /data");
    expect(written).toMatchObject({ code: 0 });
    expect((await docker("run", "-d", "--name", "runner", reference, "sleep", "1000000")).code).toBe(0);

    await engine.stop();
    const directory = join(engine.dataRoot, "containerd", "io.containerd.metadata.v1.sqlite");
    for (const name of ["meta.db", ...(copy ? [] : ["meta.db.backup"])])
      writeFileSync(join(directory, name), "no database ".repeat(1000));
    rmSync(join(directory, "meta.db-wal"), { force: true });
    await engine.start();

    expect(engine.log()).toContain("the metadata database was damaged and has been set aside");
    expect(readdirSync(directory).some((name) => name.startsWith("meta.db.damaged-"))).toBe(true);
    expect((await docker("ps", "--format", "{{.Names}}")).out).toBe("runner");
    expect((await docker("exec", "runner", "echo", "alive")).out).toBe("alive");
    if (copy) expect((await docker("images", "-q")).out).not.toBe("");
    else expect((await docker("pull", "-q", reference)).code).toBe(0);
    expect((await docker("run", "--rm", reference, "echo", "again")).out).toBe("again");
    const data = await docker("cp", "writer:/data", "-");
    expect(data.out).toContain("kept");
    expect(await docker("start", "-a", "writer")).toMatchObject({ code: 0 });
    expect(await docker("rm", "-f", "writer", "runner")).toMatchObject({ code: 0 });
    expect((await docker("ps", "-aq")).out).toBe("");
  });
});
