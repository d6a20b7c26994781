// Health, statistics, updates and changes of real containers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { type BusyboxEngine, busyboxEngine, noBusyboxEngine } from "../support/busybox-engine.ts";
import { until } from "../support/process.ts";

const why = noBusyboxEngine;
const SECOND = 1e9;

describe.skipIf(why !== undefined)(why ? `container side (skipped: ${why})` : "container side", () => {
  let on: BusyboxEngine;
  beforeAll(async () => {
    on = await busyboxEngine();
  }, 120_000);
  afterAll(async () => {
    await on?.[Symbol.asyncDispose]();
  }, 60_000);

  const inspect = async (name: string) => (await on.api("GET", `/containers/${name}/json`)).json;
  const exec = async (name: string, ...command: string[]) =>
    (await on.engine.docker(["exec", name, ...command])).stdout;
  const gone = (name: string) => on.api("DELETE", `/containers/${name}?force=1&v=1`);

  test("health: starting, healthy, unhealthy, with events, a log and an end with the container", async () => {
    const since = Math.trunc(Date.now() / 1000);
    await on.run("sick", ["sleep", "1000"], {
      Healthcheck: {
        Test: ["CMD-SHELL", "echo looked; test ! -e /sick"],
        Interval: 0.1 * SECOND,
        Retries: 2,
      },
    });
    expect((await inspect("sick")).State.Health.Status).toBe("starting");
    const status = async (wanted: string) =>
      until(wanted, async () => {
        const { Health } = (await inspect("sick")).State;
        return Health.Status === wanted ? Health : undefined;
      });
    const healthy = await status("healthy");
    expect(healthy).toMatchObject({ FailingStreak: 0 });
    expect(healthy.Log[0]).toMatchObject({ ExitCode: 0, Output: "looked\n" });
    expect(Object.keys(healthy.Log[0])).toEqual(["Start", "End", "ExitCode", "Output"]);
    const listed = await on.api("GET", `/containers/json?filters=${JSON.stringify({ health: ["healthy"] })}`);
    expect(listed.json.map((each: { Status: string }) => each.Status)).toEqual([
      expect.stringContaining("(healthy)"),
    ]);
    await exec("sick", "touch", "/sick");
    const unhealthy = await status("unhealthy");
    expect(unhealthy.FailingStreak).toBeGreaterThanOrEqual(2);
    expect(unhealthy.Log.length).toBeLessThanOrEqual(5);
    await exec("sick", "rm", "/sick");
    await status("healthy");
    // The state survives the engine, and the watch goes on.
    await on.engine.kill();
    await on.engine.start();
    expect((await inspect("sick")).State.Health.Status).toBe("healthy");
    await exec("sick", "touch", "/sick");
    await status("unhealthy");
    await on.api("POST", "/containers/sick/stop?t=0");
    expect((await inspect("sick")).State.Health.Status).toBe("unhealthy");
    const events = await on.api(
      "GET",
      `/events?since=${since}&until=${Math.trunc(Date.now() / 1000) + 1}&filters=${JSON.stringify({ container: ["sick"] })}`,
    );
    expect(events.text).toContain('"health_status: unhealthy"');
    await gone("sick");
  });

  test("a check that takes too long is ended, and says so", async () => {
    await on.run("slow", ["sleep", "1000"], {
      Healthcheck: {
        Test: ["CMD", "sleep", "77"],
        Interval: 0.1 * SECOND,
        Timeout: 0.2 * SECOND,
        Retries: 1,
      },
    });
    const log = await until("a result", async () => (await inspect("slow")).State.Health.Log[0]);
    expect(log).toMatchObject({ ExitCode: -1, Output: "Health check exceeded timeout (200ms)" });
    await until("the late process to be gone", async () => {
      const { Processes } = (await on.api("GET", "/containers/slow/top")).json;
      return Processes.filter((row: string[]) => row.join(" ").includes("sleep 77")).length <= 1;
    });
    await gone("slow");
  });

  test("with our label an unhealthy container is started again", async () => {
    await on.run("phoenix", ["sleep", "1000"], {
      Labels: { "bunker.restart-on-unhealthy": "true" },
      StopTimeout: 0,
      Healthcheck: { Test: ["CMD", "test", "!", "-e", "/tmp/sick"], Interval: 0.1 * SECOND, Retries: 1 },
      HostConfig: { Tmpfs: { "/tmp": "" } },
    });
    const { StartedAt } = (await inspect("phoenix")).State;
    await exec("phoenix", "touch", "/tmp/sick");
    await until("another start", async () => (await inspect("phoenix")).State.StartedAt !== StartedAt);
    await until("health", async () => (await inspect("phoenix")).State.Health?.Status === "healthy");
    await gone("phoenix");
  });

  test("stats: one look, two looks, a stream, and a container that does not run", async () => {
    await on.run("busy", ["sh", "-c", "while :; do :; done"], {
      HostConfig: { Memory: 64 << 20, NanoCpus: 5e8 },
    });
    const one = (await on.api("GET", "/containers/busy/stats?stream=false&one-shot=true")).json;
    expect(one).toMatchObject({
      name: "/busy",
      preread: "0001-01-01T00:00:00Z",
      memory_stats: { limit: 64 << 20 },
      pids_stats: { current: expect.any(Number) },
      precpu_stats: { cpu_usage: { total_usage: 0 } },
    });
    expect(one.memory_stats.usage).toBeGreaterThan(0);
    expect(Object.keys(one.memory_stats.stats).length).toBeGreaterThan(10);
    expect(one.networks.eth0).toMatchObject({ rx_bytes: expect.any(Number), tx_dropped: 0 });
    expect(one.blkio_stats).toHaveProperty("io_service_bytes_recursive");
    const two = (await on.api("GET", "/containers/busy/stats?stream=false")).json;
    expect(two.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(two.precpu_stats.cpu_usage.total_usage);
    expect(two.cpu_stats.system_cpu_usage).toBeGreaterThan(two.precpu_stats.system_cpu_usage);
    expect(two.cpu_stats.online_cpus).toBeGreaterThan(0);
    const stream = await on.raw("GET", "/containers/busy/stats");
    let text = "";
    for await (const chunk of stream.body!) {
      text += new TextDecoder().decode(chunk);
      if (text.split("\n").length > 2) break;
    }
    const [, second] = text.split("\n").map((line) => line && JSON.parse(line));
    expect(second.preread).not.toBe("0001-01-01T00:00:00Z");
    await on.api("POST", "/containers/busy/kill");
    expect((await on.api("GET", "/containers/busy/stats?stream=false")).json).toMatchObject({
      read: "0001-01-01T00:00:00Z",
      memory_stats: {},
    });
    expect((await on.api("GET", "/containers/busy/stats?stream=1&one-shot=1")).status).toBe(400);
    await gone("busy");
  });

  test("update: limits of a running container, kept, and refused when they cannot be", async () => {
    const id = await on.run("tuned", ["sleep", "1000"], { HostConfig: { Memory: 64 << 20 } });
    const update = (body: object) => on.api("POST", "/containers/tuned/update", body);
    expect(
      await update({ PidsLimit: 33, CpuShares: 512, RestartPolicy: { Name: "unless-stopped" } }),
    ).toMatchObject({
      status: 200,
      json: { Warnings: [] },
    });
    const { Pid } = (await inspect("tuned")).State;
    const groups = readFileSync(`/proc/${Pid}/cgroup`, "utf8");
    const pids = /^\d+:[^:]*\bpids\b[^:]*:(.*)$/m.exec(groups);
    const file = pids ? `/sys/fs/cgroup/pids${pids[1]}/pids.max` : `/sys/fs/cgroup/docker/${id}/pids.max`;
    expect(readFileSync(file, "utf8").trim()).toBe("33");
    expect((await inspect("tuned")).HostConfig).toMatchObject({
      PidsLimit: 33,
      CpuShares: 512,
      Memory: 64 << 20,
      RestartPolicy: { Name: "unless-stopped", MaximumRetryCount: 0 },
    });
    await update({ PidsLimit: -1 });
    expect(readFileSync(file, "utf8").trim()).toBe("max");
    expect((await update({ Memory: 1024 })).json.message).toBe("Minimum memory limit allowed is 6MB");
    expect((await update({ Memory: 256 << 20 })).json.message).toContain(
      "update the memoryswap at the same time",
    );
    expect((await update({ Memory: 256 << 20, MemorySwap: -1 })).status).toBe(200);
    expect((await update({ RestartPolicy: { Name: "sometimes" } })).status).toBe(400);
    await gone("tuned");
  });

  test("changes: added, modified, deleted; nothing that the start made", async () => {
    await on.run("fresh", ["true"]);
    await on.api("POST", "/containers/fresh/wait");
    expect((await on.api("GET", "/containers/fresh/changes")).json).toBeNull();
    const script =
      "echo x >>/etc/passwd; rm /etc/group; mkdir -p /new/dir; touch /new/dir/f; rm -r /var/spool; mkdir -p /var/spool/other; chmod 700 /root";
    await on.run("changed", ["sh", "-c", script]);
    await on.api("POST", "/containers/changed/wait");
    const changes = (await on.api("GET", "/containers/changed/changes")).json as {
      Path: string;
      Kind: number;
    }[];
    expect(changes.map(({ Path, Kind }) => `${"CAD"[Kind]} ${Path}`)).toEqual([
      "C /etc",
      "D /etc/group",
      "C /etc/passwd",
      "A /new",
      "A /new/dir",
      "A /new/dir/f",
      "C /root",
      "C /var",
      "C /var/spool",
      "D /var/spool/mail",
      "A /var/spool/other",
    ]);
    await gone("fresh");
    await gone("changed");
  });

  test("a volume that is a mount: there while it is used, refused when it cannot be", async () => {
    const create = (DriverOpts: object) => on.api("POST", "/volumes/create", { Name: "mounted", DriverOpts });
    expect((await create({ type: "tmpfs" })).json.message).toBe(
      'create mounted: missing required option: "device"',
    );
    expect((await create({ kind: "x" })).json.message).toBe('create mounted: invalid option: "kind"');
    expect((await create({ type: "tmpfs", device: "tmpfs", o: "size=3m,uid=7" })).status).toBe(201);
    const mounted = () =>
      readFileSync(`/proc/${on.engine.pid()}/mountinfo`, "utf8").includes("/volumes/mounted/_data");
    await on.run("user", ["sleep", "1000"], { HostConfig: { Binds: ["mounted:/data"] } });
    expect(await exec("user", "sh", "-c", "stat -c %u /data; grep -c 'size=3072k' /proc/mounts")).toBe(
      "7\n1\n",
    );
    expect(mounted()).toBe(true);
    await gone("user");
    expect(mounted()).toBe(false);
    expect((await on.api("DELETE", "/volumes/mounted")).status).toBe(204);
  });

  test("logs of the local driver, with details", async () => {
    await on.run("logged", ["sh", "-c", "echo one; echo two"], {
      Labels: { tier: "a b" },
      HostConfig: { LogConfig: { Type: "json-file", Config: { labels: "tier" } } },
    });
    await on.api("POST", "/containers/logged/wait");
    const logs = await on.engine.docker(["logs", "--details", "logged"], { client: on.engine.clients[0]! });
    expect(logs.stdout).toBe("tier=a+b one\ntier=a+b two\n");
    await on.run("local", ["echo", "hello"], { HostConfig: { LogConfig: { Type: "local" } } });
    await on.api("POST", "/containers/local/wait");
    expect((await on.engine.docker(["logs", "local"])).stdout).toBe("hello\n");
    expect((await inspect("local")).LogPath).toBe("");
    for (const name of ["logged", "local"]) await gone(name);
  });

  test("attach by websocket", async () => {
    await on.run("socket", ["cat"], { OpenStdin: true });
    const socket = connect(on.engine.host.slice("unix://".length));
    socket.write(
      "GET /containers/socket/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    const [head] = (await once(socket, "data")) as [Buffer];
    // The example of RFC 6455 section 1.3.
    expect(head.toString()).toContain("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const text = Buffer.from("hello\n");
    const frame = [0x82, 0x80 | text.length, 1, 2, 3, 4, ...text.map((byte, i) => byte ^ ((i & 3) + 1))];
    // In two pieces, the first in the middle of the header.
    socket.write(Buffer.from(frame.slice(0, 3)));
    socket.write(Buffer.from(frame.slice(3)));
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer).toEqual(Buffer.from([0x82, text.length, ...text]));
    socket.destroy();
    await gone("socket");
  });
});
