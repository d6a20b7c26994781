// dockerd's command line and daemon.json.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseFile, refuseConflicts } from "../../src/roles/engine/config/file.ts";
import { parseFlags } from "../../src/roles/engine/config/flags.ts";
import { parseHost } from "../../src/roles/engine/config/host.ts";
import { buildConfig, loadConfig } from "../../src/roles/engine/config/load.ts";
import { holdPidfile } from "../../src/roles/engine/config/pidfile.ts";
import { findRuntime } from "../../src/roles/engine/config/runtimes.ts";
import { parseBytes, parseUlimit } from "../../src/roles/engine/config/values.ts";

const flags = (...args: string[]) => Object.fromEntries(parseFlags(args));

describe("flags", () => {
  test.each<[string[], Record<string, unknown>]>([
    [
      ["-H", "unix:///a", "-Hunix:///b", "--host=tcp://:1"],
      { hosts: ["unix:///a", "unix:///b", "tcp://:1"] },
    ],
    [["-D", "--tls=false", "--iptables=0"], { debug: true, tls: false, iptables: false }],
    [["-Dl", "warn"], { debug: true, "log-level": "warn" }],
    [["--pidfile=", "--data-root", ""], { pidfile: "", "data-root": "" }],
    [["--mtu", "1400", "--shutdown-timeout=-1"], { mtu: 1400, "shutdown-timeout": -1 }],
    [["--add-runtime", "oci=/usr/local/sbin/runc"], { runtimes: { oci: { path: "/usr/local/sbin/runc" } } }],
    [["--default-ulimit", "nofile=1:2"], { "default-ulimits": [{ name: "nofile", soft: 1, hard: 2 }] }],
    [["--log-opt", "max-size=1m", "--log-opt=a=b=c"], { "log-opts": { "max-size": "1m", a: "b=c" } }],
    [
      ["--default-address-pool", "base=10.0.0.0/8,size=24"],
      { "default-address-pools": [{ base: "10.0.0.0/8", size: 24 }] },
    ],
  ])("%j", (args, values) => expect(flags(...args)).toEqual(values));

  test.each<[string[], string]>([
    [["--nope"], "unknown flag: --nope\nSee 'dockerd --help'."],
    [["-z"], "unknown shorthand flag: 'z' in -z\nSee 'dockerd --help'."],
    [["--data-root"], "flag needs an argument: --data-root\nSee 'dockerd --help'."],
    [["extra"], "\"dockerd\" accepts no arguments.\nSee 'dockerd --help'."],
    [["--mtu=x"], 'invalid argument "x" for "--mtu" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [
      ["--tls=maybe"],
      'invalid argument "maybe" for "--tls" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [
      ["--default-ulimit", "x"],
      'invalid argument "x" for "--default-ulimit" flag: invalid ulimit argument: x\nSee \'dockerd --help\'.',
    ],
    [["--dns", "1.2.3.4.5"], 'invalid argument "1.2.3.4.5" for "--dns" flag: 1.2.3.4.5 is not an ip address'],
    [["--dns-search", "a b"], 'invalid argument "a b" for "--dns-search" flag: a b is not a valid domain'],
    [["--label", "x"], 'invalid argument "x" for "--label" flag: bad attribute format: x'],
    [
      ["--registry-mirror", "ftp://x"],
      'invalid argument "ftp://x" for "--registry-mirror" flag: invalid mirror: unsupported scheme "ftp" in "ftp://x"',
    ],
  ])("%j is refused", (args, message) => expect(() => parseFlags(args)).toThrow(message));
});

describe("daemon.json", () => {
  test("values become what flags give", () => {
    const file = parseFile(
      JSON.stringify({
        debug: true,
        hosts: ["unix:///a"],
        runtimes: { crun: { path: "/usr/bin/crun", runtimeArgs: ["--x"] } },
        "default-ulimits": { nofile: { Name: "nofile", Hard: 2, Soft: 1 } },
        "log-opts": { "max-size": "1m" },
        features: { "containerd-snapshotter": true },
        proxies: { "http-proxy": "http://p" },
      }),
    );
    expect(Object.fromEntries(file)).toEqual({
      debug: true,
      hosts: ["unix:///a"],
      runtimes: { crun: { path: "/usr/bin/crun", runtimeArgs: ["--x"] } },
      "default-ulimits": [{ name: "nofile", soft: 1, hard: 2 }],
      "log-opts": { "max-size": "1m" },
      features: { "containerd-snapshotter": "true" },
      "http-proxy": "http://p",
    });
    expect(parseFile("").size).toBe(0);
  });

  test("unknown keys, wrong types and broken JSON are refused", () => {
    expect(() => parseFile('{"debugg": true, "aa": 1}')).toThrow(
      "the following directives don't match any configuration option: aa, debugg",
    );
    for (const [text, words] of [
      ['{"debug": "yes"}', "string into Go struct field Config.debug of type bool"],
      ['{"mtu": "x"}', "string into Go struct field Config.mtu of type int"],
      ['{"hosts": "x"}', "string into Go struct field Config.hosts of type []string"],
      ['{"hosts": [1]}', "number into Go struct field Config.hosts of type string"],
      ['{"labels": {}}', "object into Go struct field Config.labels of type []string"],
    ] as const) {
      expect(() => parseFile(text)).toThrow(`json: cannot unmarshal ${words}`);
    }
    expect(() => parseFile("{")).toThrow("invalid JSON");
    expect(() => parseFile("[]")).toThrow("must be an object");
  });

  test("what both say is a conflict, named with both values", () => {
    expect(() =>
      refuseConflicts(parseFlags(["-D", "--label", "a=b"]), parseFile('{"debug": false, "labels": ["c=d"]}')),
    ).toThrow(
      "the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: false), labels: (from flag: [a=b], from file: [c=d])",
    );
  });

  test("errors name the file; a missing default file is none, a missing named one is", () => {
    const directory = mkdtempSync(join(tmpdir(), "bunker-config-"));
    try {
      const path = join(directory, "daemon.json");
      expect(() => loadConfig(parseFlags(["--config-file", path]))).toThrow(
        `unable to configure the Docker daemon with file ${path}: open ${path}: no such file or directory`,
      );
      writeFileSync(path, '{"nope": 1}');
      expect(() => loadConfig(parseFlags(["--config-file", path]))).toThrow(
        `unable to configure the Docker daemon with file ${path}: the following directives don't match any configuration option: nope`,
      );
      const refusal = (file: object, ...more: string[]): string => {
        writeFileSync(path, JSON.stringify(file));
        try {
          loadConfig(parseFlags(["--config-file", path, ...more]));
        } catch (error) {
          return (error as Error).message.replace(
            `unable to configure the Docker daemon with file ${path}: `,
            "",
          );
        }
        return "";
      };
      const alone = "configuration validation from file failed: ";
      expect(refusal({ dns: ["x.y"] })).toBe(`${alone}x.y is not an ip address`);
      expect(refusal({ "dns-search": ["bad name!"] })).toBe(`${alone}bad name! is not a valid domain`);
      expect(refusal({ labels: ["x"] })).toBe(`${alone}bad attribute format: x`);
      expect(refusal({ "max-concurrent-uploads": -1 })).toBe(`${alone}invalid max concurrent uploads: -1`);
      expect(refusal({ bip: "10.0.0.1/24" }, "-b", "br0")).toBe(
        "merged configuration validation from file and command line flags failed: You specified -b & --bip, mutually exclusive options. Please specify only one",
      );
      writeFileSync(path, '{"labels": ["a=b"]}');
      expect(loadConfig(parseFlags(["--config-file", path, "-D"]))).toMatchObject({
        labels: ["a=b"],
        debug: true,
        logLevel: "debug",
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("the configuration", () => {
  const build = (...args: string[]) => buildConfig(parseFlags(args), "");

  test("defaults are dockerd's", () => {
    expect(build()).toMatchObject({
      dataRoot: "/var/lib/docker",
      execRoot: "/var/run/docker",
      pidfile: "/var/run/docker.pid",
      listen: [{ kind: "unix", path: "/var/run/docker.sock" }],
      defaultRuntime: "runc",
      defaultShmSize: 64 << 20,
      liveRestore: true,
      network: { iptables: true, ipForward: true, userlandProxy: true, mtu: 1500 },
    });
  });

  test.each<[string[], string]>([
    [["--storage-driver", "zfs"], "error initializing graphdriver: driver not supported: zfs"],
    [["--default-runtime", "nope"], "specified default runtime 'nope' does not exist"],
    [["--add-runtime", "runc=/x"], "runtime name 'runc' is reserved"],
    [["-b", "br0", "--bip", "10.0.0.1/24"], "mutually exclusive"],
    [["--log-level", "loud"], "invalid logging level: loud"],
    [["--exec-opt", "native.cgroupdriver=systemd"], "only cgroupfs"],
    [["--log-driver", "fluentd"], "no log driver named 'fluentd' is registered"],
    [["-H", "npipe://x"], "invalid bind address format"],
    [["--max-concurrent-downloads", "-1"], "invalid max concurrent downloads: -1"],
    [["--max-concurrent-uploads", "-1"], "invalid max concurrent uploads: -1"],
    [["--mtu", "-1"], "invalid default MTU: -1"],
    [["--default-ipc-mode", "x"], 'default IPC mode setting (x) is invalid; use "shareable" or "private"'],
    [["--default-address-pool", "base=x,size=24"], 'invalid base pool "x": invalid CIDR address: x'],
  ])("%j is refused", (args, message) => expect(() => build(...args)).toThrow(message));

  test("harmless values of what is missing are taken", () => {
    expect(() =>
      build("--ipv6=false", "--selinux-enabled=false", "--metrics-addr=", "--cpu-rt-period=0"),
    ).not.toThrow();
  });

  test("runtimes: ours, added ones, shims by name, unknown ones", () => {
    const config = build(
      "--add-runtime",
      "crun=/usr/bin/crun",
      "--default-runtime",
      "crun",
      "--exec-root",
      "/x",
    );
    expect(findRuntime(config, undefined)).toEqual({
      name: "crun",
      shim: "io.containerd.bunker.v2",
      binary: "/usr/bin/crun",
    });
    expect(findRuntime(config, "runc")).toEqual({
      name: "runc",
      shim: "io.containerd.bunker.v2",
      binary: "",
    });
    expect(findRuntime(config, "io.containerd.kata.v2").shim).toBe("io.containerd.kata.v2");
    expect(findRuntime({ ...config, containerd: "/c.sock" }, "runc").shim).toBe("io.containerd.runc.v2");
    expect(() => findRuntime(config, "__proto__")).toThrow("unknown or invalid runtime name: __proto__");
  });
});

test("addresses", () => {
  expect(parseHost("", false)).toEqual({ kind: "unix", path: "/var/run/docker.sock" });
  expect(parseHost("unix://", false)).toEqual({ kind: "unix", path: "/var/run/docker.sock" });
  expect(parseHost("fd://", false)).toEqual({ kind: "fd", name: "" });
  expect(parseHost("tcp://", false)).toEqual({ kind: "tcp", host: "127.0.0.1", port: 2375 });
  expect(parseHost("tcp://0.0.0.0", true)).toEqual({ kind: "tcp", host: "0.0.0.0", port: 2376 });
  expect(parseHost("tcp://[::1]:99", false)).toEqual({ kind: "tcp", host: "::1", port: 99 });
  expect(parseHost(":4000", false)).toEqual({ kind: "tcp", host: "127.0.0.1", port: 4000 });
  for (const bad of ["tcp://a:b", "tcp://h:99999", "http://x", "unix://tcp://x"]) {
    expect(() => parseHost(bad, false)).toThrow(/invalid/);
  }
});

test("sizes and ulimits", () => {
  expect(parseBytes("64M")).toBe(64 << 20);
  expect(parseBytes("1.5g")).toBe(1.5 * 2 ** 30);
  expect(parseBytes("65536")).toBe(65536);
  expect(() => parseBytes("64X")).toThrow("invalid size: '64X'");
  expect(parseUlimit("nofile=-1")).toEqual({ name: "nofile", soft: -1, hard: -1 });
  expect(() => parseUlimit("nofile=2:1")).toThrow("less than or equal");
});

describe("the pid file", () => {
  const inDirectory = (work: (pidfile: string, dataRoot: string) => void) => () => {
    const directory = mkdtempSync(join(tmpdir(), "bunker-pid-"));
    try {
      work(join(directory, "docker.pid"), directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  test(
    "is held once, says who holds it, and goes",
    inDirectory((pidfile, root) => {
      const held = holdPidfile(pidfile, root);
      expect(() => holdPidfile(pidfile, root)).toThrow(
        `pid file found, ensure docker is not running or delete ${pidfile}: process with PID ${process.pid} is still running`,
      );
      expect(() => holdPidfile(join(root, "other.pid"), root)).toThrow(
        "another engine is running on the data root",
      );
      held.release();
      holdPidfile(pidfile, root).release();
    }),
  );

  test(
    "of a process that is gone, or is no engine, is taken over",
    inDirectory((pidfile, root) => {
      for (const stale of ["999999999", "1", "garbage", ""]) {
        writeFileSync(pidfile, stale);
        holdPidfile(pidfile, root).release();
      }
    }),
  );
});
