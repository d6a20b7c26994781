// syslog and journald: what is sent, where to, and that nothing is lost while the engine or the log daemon is away.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { udp } from "bun";
import { openChannel } from "../../src/roles/engine/containers/log-forward/channel.ts";
import { journalMessage, syslogMessage } from "../../src/roles/engine/containers/log-forward/format.ts";
import { checkForwarding, syslogOptions } from "../../src/roles/engine/containers/log-forward/options.ts";
import { checkTag } from "../../src/roles/engine/containers/log-forward/tag.ts";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxRootfs } from "../support/images.ts";
import { hostNetwork } from "../support/netns.ts";
import { must, until } from "../support/process.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("syslog's formats", () => {
  const sender = { hostname: "host", tag: "tag", pid: 7, facility: 3 };
  const line = { stream: "stderr", time: "2026-01-05T03:04:05.123456789Z", line: bytes("hello\n") } as const;
  test.each([
    ["rfc5424", "<27>1 2026-01-05T03:04:05Z host tag 7 tag - hello"],
    ["rfc5424micro", "<27>1 2026-01-05T03:04:05.123456Z host tag 7 tag - hello"],
  ] as const)("%s", (format, message) => expect(syslogMessage({ ...sender, format }, line)).toBe(message));
  test("the old ones have the host's time", () => {
    expect(syslogMessage({ ...sender, format: "unix" }, line)).toMatch(
      /^<27>Jan {2}\d \d\d:\d\d:05 tag\[7\]: hello$/,
    );
    expect(syslogMessage({ ...sender, format: "rfc3164" }, { ...line, stream: "stdout" })).toMatch(
      /^<30>Jan {2}\d \d\d:\d\d:05 host tag\[7\]: hello$/,
    );
  });
  test("journald's, with a value of several lines", () => {
    expect(Buffer.from(journalMessage({ A: "1", B: "x\ny" })).toString("latin1")).toBe(
      "A=1\nB\n\x03\0\0\0\0\0\0\0x\ny\n",
    );
  });
});

describe("options", () => {
  test("addresses and facilities", () => {
    expect(syslogOptions({})).toEqual({ transport: undefined, facility: 3, format: "unix" });
    expect(
      syslogOptions({
        "syslog-address": "udp://[::1]",
        "syslog-facility": "local7",
        "syslog-format": "rfc5424",
      }),
    ).toEqual({ transport: { kind: "udp", host: "::1", port: 514 }, facility: 23, format: "rfc5424" });
    expect(syslogOptions({ "syslog-address": "unix:///run/log" }).transport).toEqual({
      kind: "unix",
      path: "/run/log",
    });
  });
  test.each([
    [
      { "syslog-address": "localhost:514" },
      "syslog-address should be in form proto://address, got localhost:514",
    ],
    [{ "syslog-address": "http://x" }, "unsupported scheme: 'http'"],
    [{ "syslog-facility": "nobody" }, "invalid syslog facility"],
    [{ "syslog-format": "rfc1" }, "Invalid syslog format"],
    [{ "max-size": "1m" }, "unknown log opt 'max-size' for syslog log driver"],
  ])("%j is refused", (options, message) =>
    expect(() => checkForwarding("syslog", options as Record<string, string>)).toThrow(message),
  );
  test("tags", () => {
    checkTag("docker/{{.Name}}/{{ .ID }}");
    expect(() => checkTag("{{.Nothing}}")).toThrow("log opt tag: {{.Nothing}}");
    expect(() => checkTag('{{ index .ExtraAttributes "a" }}')).toThrow("log opt tag:");
  });
});

const why = !built ? "dist/bunker is not built" : process.getuid?.() !== 0 ? "needs root" : undefined;

describe.skipIf(why !== undefined)(`containers that log elsewhere${why ? ` (skipped: ${why})` : ""}`, () => {
  let engine: Engine;
  let collector: udp.Socket<"buffer">;
  const received: string[] = [];
  const address = () => `syslog-address=udp://127.0.0.1:${collector.port}`;
  beforeAll(async () => {
    collector = await Bun.udpSocket({
      hostname: "127.0.0.1",
      socket: { data: (_socket, data) => void received.push(data.toString()) },
    });
    engine = await startEngine(hostNetwork, { args: ["--bridge=none"] });
    const rootfs = join(engine.dir, "rootfs");
    await busyboxRootfs(rootfs);
    await must(["tar", "-cf", join(engine.dir, "image.tar"), "-C", rootfs, "."]);
    await must(engine.command(["import", join(engine.dir, "image.tar"), "busybox:latest"]));
  }, 60_000);
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    collector?.close();
  }, 60_000);

  test("syslog gets every line, whole even when the container is removed at its end; docker logs reads them, too", async () => {
    received.length = 0;
    const options = ["--log-driver", "syslog", "--log-opt", address(), "--log-opt", "syslog-format=rfc5424"];
    const { code, stderr } = await engine.docker([
      "run",
      "--rm",
      "--name",
      "teller",
      ...options,
      "--log-opt",
      "tag=t/{{.Name}}",
      "busybox",
      "sh",
      "-c",
      "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; echo bad >&2",
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "bad\n" });
    await until("all lines", () => received.length >= 201);
    const lines = received.filter((message) => message.startsWith("<30>"));
    expect(lines.map((message) => message.replace(/^.* - /, ""))).toEqual(
      Array.from({ length: 200 }, (_, i) => `line ${i}\n`),
    );
    expect(lines[0]).toMatch(/^<30>1 \S+Z \S+ t\/teller \d+ t\/teller - line 0\n$/);
    expect(received.find((message) => message.startsWith("<27>"))).toEndWith(" - bad\n");

    await must(engine.command(["run", "--name", "kept", ...options, "busybox", "echo", "again"]));
    expect(await must(engine.command(["logs", "kept"]))).toBe("again\n");
    expect(
      await must(engine.command(["inspect", "-f", "{{.LogPath}}{{.HostConfig.LogConfig.Type}}", "kept"])),
    ).toBe("syslog\n");
    await must(engine.command(["rm", "kept"]));
  }, 60_000);

  test("an engine that was killed goes on where it was", async () => {
    received.length = 0;
    await must(
      engine.command([
        ...["run", "-d", "--name", "counter", "--log-driver", "syslog", "--log-opt", address(), "busybox"],
        ...[
          "sh",
          "-c",
          "i=0; while [ $i -lt 60 ]; do echo number $i; i=$((i+1)); sleep 0.05; done; sleep 1000",
        ],
      ]),
    );
    await until("some lines", () => received.length > 5);
    await engine.kill();
    await engine.start();
    await until("the last line", () => received.at(-1)?.includes("number 59"), 60_000);
    const numbers = received.map((message) => Number(/number (\d+)/.exec(message)?.[1]));
    expect([...new Set(numbers)]).toEqual(Array.from({ length: 60 }, (_, i) => i));
    await must(engine.command(["rm", "-f", "counter"]));
  }, 90_000);

  test("a log daemon behind TCP that is away for a while", async () => {
    const lines: string[] = [];
    const connections = new Set<Socket>();
    const listen = (port: number): Promise<Server> =>
      new Promise((resolve) => {
        const server = createServer((socket) => {
          connections.add(socket);
          socket.on("data", (data) => lines.push(...data.toString().split("\n").filter(Boolean)));
          socket.on("error", () => {});
        });
        server.listen(port, "127.0.0.1", () => resolve(server));
      });
    const server = await listen(0);
    const { port } = server.address() as { port: number };
    await using channel = Object.assign(await openChannel({ kind: "tcp", host: "127.0.0.1", port }), {
      [Symbol.asyncDispose]: async () => channel.close(),
    });
    await channel.send("one\n");
    await until("the first", () => lines.includes("one"));
    for (const socket of connections) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await until("a refusal", async () => {
      try {
        await channel.send("lost\n");
        return false;
      } catch {
        return true;
      }
    });
    const again = await listen(port);
    await channel.send("two\n");
    await until("the second", () => lines.includes("two"));
    for (const socket of connections) socket.destroy();
    again.close();
  });

  test("a driver whose daemon is not there refuses the start", async () => {
    const { code, stderr } = await engine.docker([
      "run",
      "--name",
      "none",
      "--log-driver",
      "journald",
      "busybox",
      "true",
    ]);
    // Where a journal runs, it takes the line.
    if (code === 0) return;
    expect(stderr).toContain("failed to initialize logging driver: journald is not enabled on this host");
    await must(engine.command(["rm", "none"]));
  });
});
