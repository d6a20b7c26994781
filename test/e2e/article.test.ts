// The session of the article this project was founded on, as far as the world still allows, on one engine:
// run mariadb, look at its shim and its directory, export busybox, `docker-runc spec`, `runc run`; and the engine's death.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage, mariadbImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, run, until } from "../support/process.ts";
import { type Registry, startRegistry } from "../support/registry.ts";

const why = !built
  ? "dist/bunker is not built"
  : ["docker-registry", "mmdebstrap", "mariadb"].find((program) => !Bun.which(program)) !== undefined
    ? "docker-registry, mmdebstrap or mariadb-client is not installed"
    : undefined;

describe.skipIf(why !== undefined)(
  why ? `the article's session (skipped: ${why})` : "the article's session",
  () => {
    let netns: Netns;
    let registry: Registry;
    let engine: Engine;
    let work = "";
    let id = "";

    beforeAll(async () => {
      const [busybox, mariadb] = [await busyboxImage(), await mariadbImage()];
      work = mkdtempSync(join(tmpdir(), "bunker-article-"));
      mkdirSync(join(work, "lists"));
      netns = await makeNetns();
      registry = await startRegistry(netns);
      await registry.push(busybox, "busybox:latest");
      await registry.push(mariadb, "mariadb:latest");
      engine = await startEngine(netns, { args: ["--add-runtime", "oci=/usr/sbin/runc"] });
    }, 900_000);

    afterAll(async () => {
      await engine?.[Symbol.asyncDispose]();
      await registry?.[Symbol.asyncDispose]();
      await netns?.[Symbol.asyncDispose]();
      if (work) rmSync(work, { recursive: true, force: true });
    }, 60_000);

    const sql = (statement: string, host: string) =>
      run(
        netns.inside([
          "mariadb",
          "--no-defaults",
          "-h",
          host,
          "-uroot",
          "-ppassword",
          "--connect-timeout=5",
          "-N",
          "-B",
          "-e",
          statement,
        ]),
      );
    const address = async () =>
      (await engine.docker(["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "mariadb"])).stdout.trim();

    test("a second daemon is refused in the classic words", async () => {
      const second = await run(
        netns.inside([
          join(engine.bin, "dockerd"),
          "-H",
          `unix://${engine.dir}/second.sock`,
          "--data-root",
          join(engine.dir, "second"),
          "--exec-root",
          join(engine.dir, "second-exec"),
          "--pidfile",
          join(engine.dir, "docker.pid"),
        ]),
      );
      expect(second.code).toBe(1);
      expect(second.stderr).toMatch(/pid file found, ensure docker is not running or delete .*docker\.pid/);
    });

    test("docker run --name mariadb pulls with a progress a layer, and prints the id", async () => {
      const image = `${registry.address}/mariadb`;
      const { code, stdout, stderr } = await engine.docker(
        [
          "run",
          "--name",
          "mariadb",
          "-e",
          "MYSQL_ROOT_PASSWORD=password",
          "-v",
          `${work}/lists:/var/lib/mysql`,
          "-d",
          image,
        ],
        { deadline: 120_000 },
      );
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stderr).toContain(`Unable to find image '${image}:latest' locally`);
      expect(stderr).toContain("latest: Pulling from mariadb");
      expect(stderr.match(/[0-9a-f]{12}: Pull complete/g)?.length).toBe(3);
      expect(stderr).toMatch(/Digest: sha256:[0-9a-f]{64}/);
      expect(stderr).toContain(`Status: Downloaded newer image for ${image}:latest`);
      expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
      id = stdout.trim();
    }, 180_000);

    test("a SQL client writes and reads a row over the container's network", async () => {
      const host = await address();
      expect(host).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      await until("the database", async () => (await sql("SELECT 1", host)).stdout === "1\n", 90_000);
      const written = await sql(
        "CREATE DATABASE lists; CREATE TABLE lists.items (n INT, word VARCHAR(20)); INSERT INTO lists.items VALUES (1, 'one');",
        host,
      );
      expect(written).toMatchObject({ code: 0 });
      expect((await sql("SELECT n, word FROM lists.items", host)).stdout).toBe("1\tone\n");
      // -v: the data lies in the host's directory.
      expect(readdirSync(join(work, "lists"))).toContain("lists");
    }, 120_000);

    test("ps shows one shim line with the container's id and directory", async () => {
      const lines = (await must(["ps", "-eww", "-o", "args="]))
        .split("\n")
        .filter((line) => line.includes("shim") && line.includes(id));
      expect(lines.length).toBe(1);
      expect(lines[0]).toContain("containerd-shim");
      expect(lines[0]).toContain(`-id ${id}`);
      expect(lines[0]).toContain(join(engine.execRoot, "libcontainerd", id));
    });

    test("the container's directory holds config.json and the three FIFOs", () => {
      const directory = join(engine.execRoot, "libcontainerd", id);
      expect(readdirSync(directory)).toEqual(
        expect.arrayContaining(["config.json", "init-stderr", "init-stdin", "init-stdout"]),
      );
      for (const name of ["init-stdin", "init-stdout", "init-stderr"]) {
        expect(lstatSync(join(directory, name)).isFIFO()).toBe(true);
      }
      const config = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"));
      expect(config.process.args).toEqual(["docker-entrypoint.sh", "mariadbd"]);
    });

    test("docker info names the runtimes and the default one", async () => {
      const { stdout } = await engine.docker(["info"]);
      expect(stdout).toMatch(/Runtimes: .*runc/);
      expect(stdout).toMatch(/Runtimes: .*oci/);
      expect(stdout).toMatch(/Default Runtime: runc/);
    });

    test("kill -9 of the engine: the database answers, its log goes on, nothing is missing after a restart", async () => {
      const host = await address();
      await engine.kill();
      expect((await sql("INSERT INTO lists.items VALUES (2, 'two')", host)).code).toBe(0);
      // Something the server logs while no engine is there.
      for (let i = 0; i < 3; i++)
        await run(netns.inside(["mariadb", "--no-defaults", "-h", host, "-uroot", "-pwrong"]));
      await sql("SET GLOBAL log_warnings=9; SELECT 1", host);
      await run(netns.inside(["mariadb", "--no-defaults", "-h", host, "-unobody", "-pwrong"]));
      await engine.start();
      const ps = await engine.docker(["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Status}}"]);
      expect(ps.stdout).toMatch(new RegExp(`^${id} mariadb Up `));
      expect((await sql("SELECT COUNT(*) FROM lists.items", await address())).stdout).toBe("2\n");
      const logs = await engine.docker(["logs", "mariadb"]);
      expect(logs.stderr).toContain("MariaDB init process done");
      expect(logs.stderr).toContain("ready for connections");
      expect(logs.stderr).toContain("Access denied for user 'nobody'");
      const stopped = await engine.docker(["stop", "mariadb"]);
      expect(stopped).toMatchObject({ code: 0, stdout: "mariadb\n" });
      expect((await engine.docker(["logs", "mariadb"])).stderr).toContain("Shutdown complete");
      expect((await engine.docker(["inspect", "-f", "{{.State.ExitCode}}", "mariadb"])).stdout).toBe("0\n");
      expect((await engine.docker(["rm", "mariadb"])).code).toBe(0);
    }, 120_000);

    test("docker export | tar, docker-runc spec, runc run", async () => {
      const bundle = join(work, "my_container");
      mkdirSync(join(bundle, "rootfs"), { recursive: true });
      const docker = `${engine.bin}/docker -H ${engine.host}`;
      await must(
        netns.inside([
          "bash",
          "-o",
          "pipefail",
          "-ec",
          `cd ${bundle}; ${docker} export $(${docker} create ${registry.address}/busybox 2>/dev/null) | tar -C rootfs -xf -`,
        ]),
      );
      const directories = (
        await must(["find", join(bundle, "rootfs"), "-type", "d", "-printf", "%P\n"])
      ).split("\n");
      expect(directories).toEqual(
        expect.arrayContaining([
          "bin",
          "dev",
          "etc",
          "home",
          "proc",
          "root",
          "sys",
          "tmp",
          "usr/sbin",
          "var/spool/mail",
        ]),
      );

      await must([join(engine.bin, "docker-runc"), "spec"], { cwd: bundle });
      const spec = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
      expect(spec).toMatchObject({
        process: { terminal: true, user: { uid: 0, gid: 0 }, args: ["sh"], cwd: "/", noNewPrivileges: true },
        root: { path: "rootfs", readonly: true },
        hostname: "runc",
      });
      expect(spec.mounts.map((mount: { destination: string }) => mount.destination)).toEqual([
        "/proc",
        "/dev",
        "/dev/pts",
        "/dev/shm",
        "/dev/mqueue",
        "/sys",
        "/sys/fs/cgroup",
      ]);
      expect(spec.linux.namespaces.map((namespace: { type: string }) => namespace.type)).toEqual(
        expect.arrayContaining(["pid", "network", "ipc", "uts", "mount"]),
      );
      expect(spec.linux.maskedPaths).toEqual(
        expect.arrayContaining(["/proc/kcore", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware"]),
      );
      expect(spec.linux.readonlyPaths).toEqual(
        expect.arrayContaining(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]),
      );

      spec.process.terminal = false;
      spec.process.args = ["sh", "-c", "echo from $(hostname), pid $$"];
      writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
      const ran = await run(
        [join(engine.bin, "runc"), "--root", join(work, "runc"), "run", "container-name"],
        {
          cwd: bundle,
        },
      );
      expect(ran).toEqual({ code: 0, stdout: "from runc, pid 1\n", stderr: "" });
      await engine.docker([
        "rm",
        "-f",
        ...(await engine.docker(["ps", "-aq"])).stdout.split("\n").filter(Boolean),
      ]);
    }, 60_000);

    test("a runtime added by name: real runc runs the container", async () => {
      const { code, stdout } = await engine.docker([
        "run",
        "--rm",
        "--runtime",
        "oci",
        `${registry.address}/busybox`,
        "echo",
        "through runc",
      ]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "through runc\n" });
      const unknown = await engine.docker([
        "run",
        "--rm",
        "--runtime",
        "nope",
        `${registry.address}/busybox`,
        "true",
      ]);
      expect(unknown.code).toBe(125);
      expect(unknown.stderr).toMatch(/unknown or invalid runtime name: nope/);
    });
  },
);
