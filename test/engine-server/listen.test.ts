// The addresses besides the unix socket: TCP, TLS with client certificates, and sockets handed over by systemd.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parseHost } from "../../src/roles/engine/config/host.ts";
import type { EngineConfig } from "../../src/roles/engine/config/types.ts";
import { serveApi } from "../../src/roles/engine/server/serve.ts";
import { type FakeEngine, fakeEngine } from "./fakes.ts";

const openssl = Bun.which("openssl");
const python = Bun.which("python3");

async function serve(overrides: Partial<EngineConfig>) {
  const fake = await fakeEngine(overrides);
  const api = await serveApi(fake.engine, { routes: [], hijacks: [] }).catch((error: unknown) => {
    fake[Symbol.dispose]();
    throw error;
  });
  return {
    addresses: api.addresses,
    [Symbol.dispose]() {
      api.close();
      fake[Symbol.dispose]();
    },
  };
}

async function freePort(): Promise<number> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop();
  return port;
}

test("plain TCP", async () => {
  const port = await freePort();
  using server = await serve({ listen: [parseHost(`tcp://127.0.0.1:${port}`, false)] });
  expect(server.addresses).toEqual([`127.0.0.1:${port}`]);
  expect(await (await fetch(`http://127.0.0.1:${port}/_ping`)).text()).toBe("OK");
});

test("an address that is taken is an error that names it, and nothing stays open", async () => {
  const port = await freePort();
  using _first = await serve({ listen: [parseHost(`tcp://127.0.0.1:${port}`, false)] });
  const other = await freePort();
  await expect(
    serve({
      listen: [`tcp://127.0.0.1:${other}`, `tcp://127.0.0.1:${port}`].map((host) => parseHost(host, false)),
    }),
  ).rejects.toThrow(`listen tcp 127.0.0.1:${port}: bind: address already in use`);
  await expect(fetch(`http://127.0.0.1:${other}/_ping`)).rejects.toThrow();
});

describe.skipIf(!openssl)(`TLS${openssl ? "" : " (skipped: no openssl)"}`, () => {
  let fake: FakeEngine;
  const file = (name: string) => join(fake.directory, name);
  const run = (...args: string[]) => {
    const done = Bun.spawnSync([openssl!, ...args], { stdout: "ignore", stderr: "pipe" });
    if (done.exitCode !== 0) throw new Error(done.stderr.toString());
  };
  beforeAll(async () => {
    fake = await fakeEngine();
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    run(
      "req",
      "-x509",
      ...key,
      "-keyout",
      file("ca-key.pem"),
      "-out",
      file("ca.pem"),
      "-subj",
      "/CN=ca",
      "-days",
      "2",
    );
    for (const who of ["server", "client"]) {
      const names = ["-addext", "subjectAltName=IP:127.0.0.1"];
      const ca = ["-CA", file("ca.pem"), "-CAkey", file("ca-key.pem")];
      const out = ["-keyout", file(`${who}-key.pem`), "-out", file(`${who}.pem`)];
      run("req", "-x509", ...key, ...ca, ...out, "-subj", `/CN=${who}`, "-days", "1", ...names);
    }
  });
  afterAll(() => fake[Symbol.dispose]());

  test("with --tlsverify only clients with our certificate get in", async () => {
    const port = await freePort();
    using _server = await serve({
      listen: [parseHost(`tcp://127.0.0.1:${port}`, true)],
      tls: { verify: true, ca: file("ca.pem"), cert: file("server.pem"), key: file("server-key.pem") },
    });
    const ca = Bun.file(file("ca.pem"));
    const url = `https://127.0.0.1:${port}/_ping`;
    const known = await fetch(url, {
      tls: { ca, cert: Bun.file(file("client.pem")), key: Bun.file(file("client-key.pem")) },
    });
    expect(await known.text()).toBe("OK");
    await expect(fetch(url, { tls: { ca } })).rejects.toThrow();
    await expect(fetch(`http://127.0.0.1:${port}/_ping`)).rejects.toThrow();
  });
});

describe.skipIf(!python)(`NOTIFY_SOCKET${python ? "" : " (skipped: no python3)"}`, () => {
  const receive = `
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1].replace("@", "\\0")); s.settimeout(10)
subprocess.run(sys.argv[2:], env=dict(os.environ, NOTIFY_SOCKET=sys.argv[1]), check=True)
print(s.recv(100).decode())
`;
  const script = `
const { notifySystemd } = await import(${JSON.stringify(join(import.meta.dir, "../../src/roles/engine/config/notify.ts"))});
notifySystemd("READY=1");
if (process.env.NOTIFY_SOCKET) throw new Error("still in the environment");
`;

  test("systemd hears that the engine is ready, by path and by abstract name", async () => {
    using fake = await fakeEngine();
    for (const path of [join(fake.directory, "notify"), `@bunker-test-${process.pid}`]) {
      const done = Bun.spawnSync([python!, "-c", receive, path, process.execPath, "-e", script]);
      expect(done.stdout.toString()).toBe("READY=1\n");
    }
  });
});

// sd_listen_fds(3): the socket is open already, its descriptor is 3 and LISTEN_PID is the one who shall take it.
const activate = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(8)
if s.fileno() != 3: os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
`;

describe.skipIf(!python)(`fd://${python ? "" : " (skipped: no python3)"}`, () => {
  test("sockets that systemd opened are served", async () => {
    using fake = await fakeEngine();
    const path = join(fake.directory, "activated.sock");
    const child = Bun.spawn(
      [python!, "-c", activate, path, process.execPath, join(import.meta.dir, "fixtures", "serve-fd.ts")],
      { stdout: "pipe", stderr: "inherit" },
    );
    try {
      const reader = child.stdout.getReader();
      const first = new TextDecoder().decode((await reader.read()).value);
      expect(first).toContain("fd://3");
      const response = await fetch("http://docker/_ping", { unix: path });
      expect(await response.text()).toBe("OK");
    } finally {
      child.kill();
      await child.exited;
    }
  });

  test("without them it says so", async () => {
    await expect(serve({ listen: [parseHost("fd://", false)] })).rejects.toThrow(
      "no sockets found via socket activation: make sure the service was started by systemd",
    );
  });
});
