// What people and scripts read: names, states, durations, ports, mounts, refusals.
import { describe, expect, test } from "bun:test";
import { buildConfig } from "../../src/roles/engine/config/load.ts";
import { extraHosts, hostsFile, resolverFile } from "../../src/roles/engine/containers/etc-files.ts";
import { checkHost } from "../../src/roles/engine/containers/host-defaults.ts";
import { withImageDefaults } from "../../src/roles/engine/containers/image-defaults.ts";
import { checkLogOptions, parseSize } from "../../src/roles/engine/containers/log-options.ts";
import { logTime } from "../../src/roles/engine/containers/logs.ts";
import { settleMounts } from "../../src/roles/engine/containers/mount-points.ts";
import { checkName, randomName } from "../../src/roles/engine/containers/names.ts";
import { portMap, portRequests, portSummaries } from "../../src/roles/engine/containers/ports.ts";
import { restartDelay, startsWithEngine } from "../../src/roles/engine/containers/restart-policy.ts";
import { parseSignal } from "../../src/roles/engine/containers/signals.ts";
import { runtimeFailure } from "../../src/roles/engine/containers/start-error.ts";
import { initialState, State } from "../../src/roles/engine/containers/state.ts";
import { goTime, humanDuration } from "../../src/roles/engine/containers/time.ts";
import { parsePs } from "../../src/roles/engine/containers/top.ts";
import { containerConfig } from "../../src/spec/engine/container.ts";
import { goJson } from "../../src/spec/engine/go-json.ts";
import { hostConfig } from "../../src/spec/engine/host-config.ts";
import { ServiceError } from "../../src/wire/containerd/services.ts";

const config = (value: object) => goJson(containerConfig, value, "ContainerConfig");
const host = (value: object) => goJson(hostConfig, value, "HostConfig");

test("what cannot be honoured is refused by name", () => {
  const made: (string | undefined)[] = [];
  const settle = (value: object) =>
    settleMounts({
      config: config({ Volumes: { "/anonymous": {} } }),
      host: host(value),
      mountsOf: () => ({}),
      createVolume: ({ name = "anonymous", driver }) => {
        made.push(driver);
        return {
          name,
          driver: "local",
          mountpoint: "/v",
          createdAt: "",
          labels: {},
          options: {},
          anonymous: false,
        };
      },
    });
  // Whether such a driver exists is the volume store's to say.
  settle({ VolumeDriver: "elsewhere", Binds: ["named:/n", "/host:/h"] });
  expect(made).toEqual(["elsewhere", "elsewhere"]);
  const settings = buildConfig(new Map(), "");
  expect(() => checkHost(config({}), host({ StorageOpt: { size: "10G" } }), settings)).toThrow(
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
  );
});

test("durations as go-units writes them", () => {
  const second = 1000;
  const hour = 3600 * second;
  const cases: [number, string][] = [
    [900, "Less than a second"],
    [1 * second, "1 second"],
    [59 * second, "59 seconds"],
    [60 * second, "About a minute"],
    [45 * 60 * second, "45 minutes"],
    [hour, "About an hour"],
    [47 * hour, "47 hours"],
    [3 * 24 * hour, "3 days"],
    [15 * 24 * hour, "2 weeks"],
    [65 * 24 * hour, "2 months"],
    [800 * 24 * hour, "2 years"],
  ];
  for (const [duration, text] of cases) expect(humanDuration(duration)).toBe(text);
});

test("times keep what the clock gives, without trailing zeros", () => {
  expect(goTime(0)).toBe("1970-01-01T00:00:00Z");
  expect(goTime(1_700_000_000_123)).toBe("2023-11-14T22:13:20.123Z");
  expect(logTime("1700000000.5", "since")).toBe("2023-11-14T22:13:20.500000000Z");
  expect(logTime("0", "since")).toBeUndefined();
  expect(() => logTime("yesterday", "since")).toThrow('invalid value for "since": "yesterday"');
});

test("names need two characters", () => {
  expect(checkName("/ab")).toBe("ab");
  for (const bad of ["a", "-ab", "a b", "ä1", ""]) {
    expect(() => checkName(bad)).toThrow(
      `Invalid container name (${bad}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  let asked = 0;
  const name = randomName(() => asked++ < 6);
  expect(checkName(name)).toBe(name);
});

test("state and status go together", () => {
  const now = Date.parse("2024-01-01T00:01:00Z");
  const state = new State(initialState());
  expect([state.status, state.statusText(now)]).toEqual(["created", "Created"]);
  state.setRunning(7, "2024-01-01T00:00:56Z");
  expect([state.status, state.statusText(now)]).toEqual(["running", "Up 4 seconds"]);
  state.stored.Paused = true;
  expect([state.status, state.statusText(now)]).toEqual(["paused", "Up 4 seconds (Paused)"]);
  state.setRestarting({ exitCode: 3, exitedAt: "2024-01-01T00:00:59Z" });
  expect([state.status, state.statusText(now)]).toEqual(["restarting", "Restarting (3) 1 second ago"]);
  state.setStopped({ exitCode: 0, exitedAt: "2024-01-01T00:00:00Z" });
  expect([state.status, state.statusText(now)]).toEqual(["exited", "Exited (0) About a minute ago"]);
  state.stored.RemovalInProgress = true;
  expect([state.status, state.statusText(now)]).toEqual(["removing", "Removal In Progress"]);
});

test("waiting: not-running at once for a created one, next-exit only for the next, removed for the end", async () => {
  const state = new State(initialState());
  expect(await state.wait("not-running")).toEqual({ exitCode: 0, error: "" });
  const next = state.wait("next-exit");
  const removed = state.wait("removed");
  state.setRunning(7);
  const running = state.wait("not-running");
  state.setStopped({ exitCode: 4, exitedAt: "2024-01-01T00:00:00Z" });
  expect([(await next).exitCode, (await running).exitCode]).toEqual([4, 4]);
  state.setRemoved();
  expect((await removed).exitCode).toBe(4);
  const abort = new AbortController();
  const fresh = new State(initialState());
  const gone = fresh.wait("next-exit", abort.signal);
  abort.abort(new Error("client left"));
  await expect(gone).rejects.toThrow("client left");
});

test("signals by name and number", () => {
  for (const word of ["SIGTERM", "term", "15"]) expect(parseSignal(word)).toBe(15);
  expect(parseSignal("RTMIN+3")).toBe(37);
  for (const word of ["FOO", "0", "65", "RTMIN-1"])
    expect(() => parseSignal(word)).toThrow(`Invalid signal: ${word}`);
});

describe("restart policies", () => {
  const run = { exitCode: 1, lasted: 10, failures: 0, restartCount: 0, stoppedByHand: false };
  test("who restarts", () => {
    expect(restartDelay({ Name: "no", MaximumRetryCount: 0 }, run)).toBeUndefined();
    expect(restartDelay({ Name: "always", MaximumRetryCount: 0 }, { ...run, exitCode: 0 })).toBe(100);
    expect(
      restartDelay({ Name: "always", MaximumRetryCount: 0 }, { ...run, stoppedByHand: true }),
    ).toBeUndefined();
    expect(
      restartDelay({ Name: "on-failure", MaximumRetryCount: 0 }, { ...run, exitCode: 0 }),
    ).toBeUndefined();
    expect(
      restartDelay({ Name: "on-failure", MaximumRetryCount: 2 }, { ...run, restartCount: 2 }),
    ).toBeUndefined();
  });
  test("back-off doubles up to a minute and starts over after a steady run", () => {
    const always = { Name: "always", MaximumRetryCount: 0 };
    expect([0, 1, 2, 30].map((failures) => restartDelay(always, { ...run, failures }))).toEqual([
      100, 200, 400, 60_000,
    ]);
    expect(restartDelay(always, { ...run, failures: 9, lasted: 11_000 })).toBe(100);
  });
  test("with the engine", () => {
    expect(startsWithEngine({ Name: "always", MaximumRetryCount: 0 }, true, 0)).toBe(true);
    expect(startsWithEngine({ Name: "unless-stopped", MaximumRetryCount: 0 }, true, 0)).toBe(false);
    expect(startsWithEngine({ Name: "on-failure", MaximumRetryCount: 0 }, false, 0)).toBe(false);
  });
});

test("ports: bound, exposed, ranges, all", () => {
  const exposing = config({ ExposedPorts: { "80/tcp": {}, "53/udp": {} } });
  const bound = host({ PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8000-8010" }] } });
  expect(portRequests(exposing, bound)).toEqual([
    { containerPort: 80, protocol: "tcp", hostIp: "127.0.0.1", hostPort: 8000, hostPortEnd: 8010 },
  ]);
  expect(portRequests(exposing, host({ PublishAllPorts: true })).map((port) => port.containerPort)).toEqual([
    80, 53,
  ]);
  expect(() => portRequests(exposing, host({ PortBindings: { "x/tcp": null } }))).toThrow(
    'invalid port specification: "x/tcp"',
  );
  const map = portMap(exposing, [
    {
      endpointId: "e",
      networkId: "n",
      networkName: "bridge",
      containerId: "c",
      containerName: "c",
      macAddress: "",
      ipAddress: "",
      ipPrefixLen: 16,
      gateway: "",
      ip6Address: "",
      ip6PrefixLen: 0,
      gateway6: "",
      aliases: [],
      dnsNames: [],
      gatewayPriority: 0,
      ports: { "80/tcp": [{ hostIp: "", hostPort: 8000 }] },
    },
  ]);
  expect(map).toEqual({ "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8000" }], "53/udp": null });
  expect(portSummaries(map)).toEqual([
    { PrivatePort: 53, Type: "udp" },
    { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8000, Type: "tcp" },
  ]);
});

describe("mounts", () => {
  const settle = (own: object, values: object = {}) =>
    settleMounts({
      config: config(values),
      host: host(own),
      mountsOf: () => ({}),
      createVolume: ({ name = "anonymous", driver }) => ({
        name,
        driver: (driver ?? "local") as "local",
        mountpoint: `/volumes/${name}/_data`,
        createdAt: "",
        labels: {},
        options: {},
        anonymous: name === "anonymous",
      }),
    });

  test("binds, named and anonymous volumes", () => {
    const mounts = settle(
      { Binds: ["/srv:/data/:ro,z", "named:/x", "/only"] },
      { Volumes: { "/var/lib/db": {}, "/x": {} } },
    );
    expect(Object.keys(mounts).sort()).toEqual(["/data", "/only", "/var/lib/db", "/x"]);
    expect(mounts["/data"]).toMatchObject({
      Type: "bind",
      Source: "/srv",
      RW: false,
      Propagation: "rprivate",
    });
    expect(mounts["/x"]).toMatchObject({
      Type: "volume",
      Name: "named",
      Source: "/volumes/named/_data",
      CopyData: true,
    });
    expect(mounts["/var/lib/db"]).toMatchObject({ Name: "anonymous" });
  });

  // What dockerd 20.10 answered.
  const refusals: [object, string][] = [
    [{ Binds: ["/a:/b:zz"] }, "invalid mode: zz"],
    [
      { Binds: ["/a:b"] },
      `invalid volume specification: '/a:b': invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
    ],
    [
      { Binds: ["/a:/"] },
      `invalid volume specification: '/a:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
    ],
    [{ Binds: ["/a:/x", "/b:/x/"] }, "Duplicate mount point: /x"],
    [{ Tmpfs: { rel: "" } }, "invalid mount path: 'rel' mount path must be absolute"],
    [
      { Mounts: [{ Type: "bind", Source: "/nosuch", Target: "/x" }] },
      `invalid mount config for type "bind": bind source path does not exist: /nosuch`,
    ],
  ];
  for (const [own, text] of refusals) {
    test(text, () => {
      expect(() => settle(own)).toThrow(text);
    });
  }
});

test("image defaults fill what the container's creator left open", () => {
  const image = {
    Cmd: ["sh"],
    Entrypoint: ["/entry"],
    Env: ["A=1", "PATH=/bin"],
    User: "mysql",
    Labels: { a: "1" },
  };
  expect(withImageDefaults(config({ Env: ["A=2"], Labels: { b: "2" } }), image)).toMatchObject({
    Cmd: ["sh"],
    Entrypoint: ["/entry"],
    Env: ["A=2", "PATH=/bin"],
    User: "mysql",
    Labels: { a: "1", b: "2" },
  });
  expect(withImageDefaults(config({ Cmd: ["ls"] }), image)).toMatchObject({
    Cmd: ["ls"],
    Entrypoint: ["/entry"],
  });
  expect(withImageDefaults(config({ Entrypoint: ["own"] }), image)).toMatchObject({
    Cmd: null,
    Entrypoint: ["own"],
  });
  expect(() => withImageDefaults(config({}), {})).toThrow("no command specified");
});

test("resolv.conf: no loopback servers, the user's settings over the host's", () => {
  const hostText =
    "nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch a.example b.example\noptions ndots:2\n";
  const none = { servers: [], search: [], options: [] };
  expect(resolverFile(hostText, none)).toBe(
    "nameserver 10.0.0.2\nsearch a.example b.example\noptions ndots:2\n",
  );
  expect(resolverFile("nameserver ::1\n", none)).toBe("nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  expect(resolverFile(hostText, { servers: ["1.1.1.1"], search: ["."], options: [] })).toBe(
    "nameserver 1.1.1.1\noptions ndots:2\n",
  );
});

test("hosts: extra names and the container's own", () => {
  expect(extraHosts(["db:10.0.0.3", "me:host-gateway", "v6:[::2]"], ["172.17.0.1"])).toEqual([
    "10.0.0.3\tdb",
    "172.17.0.1\tme",
    "::2\tv6",
  ]);
  expect(() => extraHosts(["db"], [])).toThrow('bad format for add-host: "db"');
  expect(hostsFile("web", "", [], ["1.2.3.4\tx"])).toEndWith("1.2.3.4\tx\n");
});

test("log options", () => {
  expect(parseSize("10m")).toBe(10 << 20);
  expect(() => parseSize("ten")).toThrow("invalid size: 'ten'");
  expect(() => checkLogOptions("json-file", { nosuch: "1" })).toThrow(
    "unknown log opt 'nosuch' for json-file log driver",
  );
  expect(() => checkLogOptions("json-file", { "max-file": "0" })).toThrow("max-file cannot be less than 1");
  expect(() => checkLogOptions("json-file", { "max-file": "2" })).not.toThrow();
});

test("failing starts: text, status and exit code", () => {
  const failure = (message: string) =>
    runtimeFailure(new ServiceError("Unknown", message), "failed to create task for container: ");
  expect(
    failure(
      'failed to create shim task: OCI runtime create failed: exec: "x": executable file not found in $PATH',
    ),
  ).toMatchObject({
    exitCode: 127,
    error: {
      status: 400,
      message:
        'failed to create task for container: failed to create shim task: OCI runtime create failed: exec: "x": executable file not found in $PATH: unknown',
    },
  });
  expect(failure('exec: "/etc": permission denied')).toMatchObject({ exitCode: 126, error: { status: 400 } });
  expect(failure("not a directory").error.message).toContain(
    "Are you trying to mount a directory onto a file",
  );
  expect(failure("something else")).toMatchObject({ exitCode: 128, error: { status: 500 } });
});

test("top keeps the container's lines and the blanks of the command", () => {
  const output =
    "UID        PID    PPID CMD\nroot         1       0 init\nroot        42       1 sleep 10 now\n";
  expect(parsePs(output, new Set([42]))).toEqual({
    Titles: ["UID", "PID", "PPID", "CMD"],
    Processes: [["root", "42", "1", "sleep 10 now"]],
  });
});
