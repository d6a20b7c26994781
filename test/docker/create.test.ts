// The body of POST /containers/create, ours against the real CLI's, for the command lines people write.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realDocker } from "../support/binary.ts";
import { run } from "../support/process.ts";
import { type Recorded, type Recorder, startRecorder } from "./recorder.ts";

const bun = join(import.meta.dir, "../../node_modules/.bin/bun");
const main = join(import.meta.dir, "../../src/main.ts");

const lines: string[][] = [
  ["busybox"],
  ["busybox", "echo", "-n", "hi"],
  ["-it", "--name", "n", "busybox", "sh"],
  ["-i", "busybox", "cat"],
  ["-a", "stdin", "-a", "stdout", "-i", "busybox"],
  ["-e", "A=b", "-e", "C=d=e", "-e", "NOT_SET_ANYWHERE", "--env-file", "@env", "busybox"],
  ["-v", "/a:/b:ro", "-v", "/vol", "-v", "named:/x", "-v", "./rel:/y", "busybox"],
  [
    "--mount",
    "type=bind,src=/a,dst=/c,ro,bind-propagation=rslave",
    "--mount",
    "type=tmpfs,dst=/q,tmpfs-size=10m,tmpfs-mode=1770",
    "busybox",
  ],
  [
    "--mount",
    'type=volume,src=v,dst=/d,volume-nocopy,volume-label=a=b,volume-driver=x,"volume-opt=o=a,b"',
    "busybox",
  ],
  ["--mount", "type=bind,src=/a,dst=/c,readonly,bind-recursive=writable", "busybox"],
  ["--tmpfs", "/run", "--tmpfs", "/tmp:size=1m,mode=1777", "--read-only", "busybox"],
  [
    "-p",
    "80",
    "-p",
    "127.0.0.1:8080:80/udp",
    "-p",
    "7000-7001:8000-8001",
    "-p",
    "[::1]:90:90",
    "-p",
    "9000-9002:9",
    "busybox",
  ],
  ["-P", "--expose", "9", "--expose", "100-102/udp", "busybox"],
  ["-p", "target=80,published=8080,protocol=tcp", "busybox"],
  [
    "--network",
    "net1",
    "--network-alias",
    "a",
    "--network-alias",
    "b",
    "--ip",
    "1.2.3.4",
    "--ip6",
    "2001:db8::3",
    "--mac-address",
    "92:d0:c6:0a:29:33",
    "busybox",
  ],
  ["--network", "name=net1,alias=z,ip=1.1.1.1,driver-opt=a=b", "--network", "net2", "busybox"],
  ["--network=host", "--hostname", "h", "--domainname", "d", "busybox"],
  ["--net", "none", "--dns", "1.1.1.1", "--dns-search", "example.org", "--dns-opt", "ndots:1", "busybox"],
  [
    "--add-host",
    "h:1.2.3.4",
    "--add-host",
    "i=::1",
    "--add-host",
    "g:host-gateway",
    "--link",
    "a:b",
    "busybox",
  ],
  [
    "-w",
    "/w",
    "-u",
    "1:2",
    "--group-add",
    "3",
    "--group-add",
    "wheel",
    "--entrypoint",
    "sh",
    "busybox",
    "-c",
    "x",
  ],
  ["--entrypoint", "", "busybox"],
  ["-l", "x=y", "-l", "z", "--label-file", "@labels", "--annotation", "k=v", "busybox"],
  ["--restart", "on-failure:3", "busybox"],
  ["--restart", "unless-stopped", "busybox"],
  ["--rm", "--init", "busybox"],
  ["--rm=false", "--init=false", "--tty=true", "busybox"],
  [
    "--privileged",
    "--cap-add",
    "NET_ADMIN",
    "--cap-add",
    "ALL",
    "--cap-drop",
    "CHOWN",
    "--device",
    "/dev/null:/dev/x:r",
    "--device",
    "/dev/zero",
    "busybox",
  ],
  [
    "--pid",
    "host",
    "--ipc",
    "shareable",
    "--uts",
    "host",
    "--userns",
    "host",
    "--cgroupns",
    "private",
    "--shm-size",
    "64m",
    "busybox",
  ],
  [
    "--ulimit",
    "nofile=1024:2048",
    "--ulimit",
    "core=-1",
    "--ulimit",
    "nproc=5",
    "--sysctl",
    "net.ipv4.ip_forward=1",
    "busybox",
  ],
  [
    "-m",
    "64m",
    "--memory-swap",
    "-1",
    "--memory-reservation",
    "32MiB",
    "--memory-swappiness",
    "10",
    "--oom-kill-disable",
    "--oom-score-adj",
    "100",
    "busybox",
  ],
  [
    "--cpus",
    "1.5",
    "-c",
    "512",
    "--cpu-period",
    "100000",
    "--cpu-quota",
    "50000",
    "--cpuset-cpus",
    "0-1",
    "--cpuset-mems",
    "0",
    "--cpu-rt-period",
    "5",
    "--cpu-rt-runtime",
    "6",
    "busybox",
  ],
  [
    "--pids-limit",
    "100",
    "--blkio-weight",
    "100",
    "--blkio-weight-device",
    "/dev/sda:20",
    "--device-read-bps",
    "/dev/sda:1m",
    "--device-write-iops",
    "/dev/sda:7",
    "--device-cgroup-rule",
    "c 1:3 rwm",
    "busybox",
  ],
  ["--log-driver", "json-file", "--log-opt", "max-size=1m", "--log-opt", "tag", "busybox"],
  ["--stop-signal", "SIGINT", "--stop-timeout", "3", "busybox"],
  [
    "--health-cmd",
    "x y",
    "--health-interval",
    "1m30s",
    "--health-timeout",
    "2s",
    "--health-retries",
    "3",
    "--health-start-period",
    "1ms",
    "--health-start-interval",
    "500us",
    "busybox",
  ],
  ["--no-healthcheck", "busybox"],
  [
    "--volumes-from",
    "a:ro",
    "--volume-driver",
    "d",
    "--runtime",
    "crun",
    "--isolation",
    "default",
    "--cgroup-parent",
    "/p",
    "busybox",
  ],
  [
    "--security-opt",
    "no-new-privileges",
    "--security-opt",
    "apparmor=x",
    "--security-opt",
    "seccomp=@seccomp",
    "busybox",
  ],
  ["--security-opt", "systempaths=unconfined", "--storage-opt", "size=1G", "busybox"],
  ["--gpus", "all", "busybox"],
  ["--gpus", '"device=0,1",capabilities=utility', "busybox"],
  [
    "--platform",
    "linux/arm64",
    "--pull",
    "never",
    "busybox@sha256:0ce9f13b5c5d235397252570acd0286a0a03472a22b7f0384fce09e65c680d13",
  ],
];

/** Wrong in a way that the client itself tells: same words, same exit code, no request. */
const refusals: string[][] = [
  [],
  ["--bogus", "busybox"],
  ["-Z", "busybox"],
  ["--name"],
  ["--cpus", "x", "busybox"],
  ["-m", "x", "busybox"],
  ["--rm=x", "busybox"],
  ["--stop-timeout", "x", "busybox"],
  ["--health-interval", "x", "busybox"],
  ["--health-interval", "-1s", "busybox"],
  ["-v", "", "busybox"],
  ["-v", "/a:/b:/c:d", "busybox"],
  ["-p", "x", "busybox"],
  ["-p", "1:2:3:4", "busybox"],
  ["-p", "80/foo", "busybox"],
  ["-p", "1.2.3:80:80", "busybox"],
  ["--expose", "x", "busybox"],
  ["--ulimit", "a", "busybox"],
  ["--ulimit", "nofile=5:2", "busybox"],
  ["--device", "x", "busybox"],
  ["--device", "/dev/a:b:c:d", "busybox"],
  ["--restart", "on-failure:x", "busybox"],
  ["--mount", "x", "busybox"],
  ["--mount", "type=bind", "busybox"],
  ["--mount", "foo=1", "busybox"],
  ["-e", "=x", "busybox"],
  ["--env-file", "/nonexistent/env", "busybox"],
  ["--label", "=x", "busybox"],
  ["--link", "a:b:c", "busybox"],
  ["--add-host", "x", "busybox"],
  ["--add-host", "a:1.2.3", "busybox"],
  ["--dns", "x", "busybox"],
  ["--security-opt", "x", "busybox"],
  ["--security-opt", "seccomp=/nonexistent", "busybox"],
  ["--log-driver", "none", "--log-opt", "a=b", "busybox"],
  ["--blkio-weight-device", "a", "busybox"],
  ["--device-read-bps", "/dev/a:x", "busybox"],
  ["--gpus", "x=y", "busybox"],
  ["--health-cmd", "x", "--no-healthcheck", "busybox"],
  ["--pid", "x", "busybox"],
  ["--uts", "x", "busybox"],
  ["--cgroupns", "x", "busybox"],
  ["--memory-swappiness", "200", "busybox"],
  ["--storage-opt", "a", "busybox"],
  ["--device-cgroup-rule", "x", "busybox"],
  ["-a", "x", "busybox"],
  ["--sysctl", "net", "busybox"],
  ["--pull", "x", "busybox"],
  ["--mac-address", "x", "busybox"],
  ["--network", "host", "--network", "b", "busybox"],
  ["UPPER"],
  ["--cidfile", "@env", "busybox"],
];

// The CLI keeps variables and volumes in Go maps: their order is chance.
function ordered(requests: Recorded[]): unknown {
  return requests.map(({ method, path, query, body }) => {
    const config = body as { Env?: string[] | null; HostConfig?: { Binds?: string[] | null } } | undefined;
    config?.Env?.sort();
    config?.HostConfig?.Binds?.sort();
    return { method, path, query, body: config };
  });
}

describe.skipIf(!realDocker)(
  `create, against the real CLI${realDocker ? "" : " (skipped: it is not installed)"}`,
  () => {
    let recorder: Recorder;
    let dir = "";

    beforeAll(async () => {
      recorder = await startRecorder({
        "POST /containers/create": { status: 201, body: { Id: "abc", Warnings: ["careful"] } },
      });
      dir = mkdtempSync(join(tmpdir(), "bunker-create-"));
      writeFileSync(join(dir, "env"), "# comment\nX=y\n  Z=1 2\nNOT_SET_ANYWHERE\n\n");
      writeFileSync(join(dir, "labels"), "from=file\nempty\n");
      writeFileSync(join(dir, "seccomp"), '{ "defaultAction": "SCMP_ACT_ALLOW" }\n');
    });

    afterAll(async () => {
      await recorder[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    });

    async function both(args: string[]) {
      const filled = args.map((arg) =>
        arg.replace(/@(env|labels|seccomp)$/, (_whole, name) => join(dir, name)),
      );
      const one = async (command: string[]) => {
        const result = await run([...command, "-H", recorder.host, "create", ...filled], {
          cwd: dir,
          env: { DOCKER_CONFIG: join(dir, "config") },
        });
        return { result, requests: ordered(recorder.take()) };
      };
      return { theirs: await one([realDocker!]), ours: await one([bun, main, "docker"]) };
    }

    test.each(lines.map((line) => [line.join(" "), line] as const))("%s", async (_name, line) => {
      const { theirs, ours } = await both([...line]);
      expect(theirs.result).toEqual({ code: 0, stdout: "abc\n", stderr: "WARNING: careful\n" });
      expect(ours).toEqual(theirs);
    });

    test.each(refusals.map((line) => [line.join(" "), line] as const))("refused: %s", async (_name, line) => {
      const { theirs, ours } = await both([...line]);
      expect(theirs.requests).toEqual([]);
      expect(ours).toEqual(theirs);
    });
  },
);
