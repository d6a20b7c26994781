// What both clients ask of an engine, and what they print of its answers, for the verbs beside run and create.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realDocker } from "../support/binary.ts";
import { type Result, run } from "../support/process.ts";
import { type Answers, type Recorded, type Recorder, startRecorder } from "./recorder.ts";

const bun = join(import.meta.dir, "../../node_modules/.bin/bun");
const main = join(import.meta.dir, "../../src/main.ts");

const sample = (total: number, system: number) => ({
  cpu_usage: { total_usage: total },
  system_cpu_usage: system,
  online_cpus: 2,
});

const answers: Answers = {
  "POST /containers/prune": { status: 200, body: { ContainersDeleted: ["a", "b"], SpaceReclaimed: 1234 } },
  "POST /networks/prune": { status: 200, body: { NetworksDeleted: ["n1"] } },
  "POST /volumes/prune": { status: 200, body: { VolumesDeleted: ["v1"], SpaceReclaimed: 5555 } },
  "POST /images/prune": {
    status: 200,
    body: { ImagesDeleted: [{ Untagged: "x:y" }, { Deleted: "sha256:1" }], SpaceReclaimed: 6 },
  },
  "POST /build/prune": { status: 200, body: { CachesDeleted: ["c1"], SpaceReclaimed: 7 } },
  "POST /commit": { status: 201, body: { Id: "sha256:abc" } },
  "POST /containers/x/update": { status: 200, body: { Warnings: ["w1"] } },
  "POST /containers/y/update": { status: 200, body: { Warnings: null } },
  "GET /containers/x/changes": {
    status: 200,
    body: [
      { Path: "/a", Kind: 0 },
      { Path: "/a/b", Kind: 1 },
      { Path: "/c", Kind: 2 },
    ],
  },
  "GET /images/search": {
    status: 200,
    body: [
      {
        name: "busybox",
        description: "Busybox\nbase image that goes on and on and on for ever",
        star_count: 3,
        is_official: true,
        is_automated: false,
      },
      { name: "me/x", description: "", star_count: 0, is_official: false, is_automated: true },
    ],
  },
  "POST /images/docker.io/library/x/push": {
    status: 200,
    body: { status: "The push refers to repository [docker.io/library/x]" },
  },
  "POST /images/r.example:5/a/b/push": { status: 200, body: { status: "pushed" } },
  "POST /images/load": { status: 200, body: { stream: "Loaded image: x:latest\n" } },
  "POST /images/create": { status: 200, body: { status: "sha256:1234" } },
  "GET /images/get": { status: 200, body: { not: "a tar, but bytes" } },
  "POST /build": { status: 200, body: { stream: "Successfully built abc\n", aux: { ID: "sha256:abc" } } },
  "GET /containers/x/checkpoints": { status: 200, body: [{ Name: "one" }] },
  "POST /containers/x/checkpoints": { status: 201, body: undefined },
  "DELETE /containers/x/checkpoints/c": { status: 204, body: undefined },
  "POST /auth": { status: 200, body: { Status: "Login Succeeded", IdentityToken: "" } },
  "GET /containers/x/stats": {
    status: 200,
    body: {
      id: "0123456789abcdef0123",
      name: "/x",
      cpu_stats: sample(300, 2000),
      precpu_stats: sample(100, 1000),
      memory_stats: { usage: 5_000_000, limit: 100_000_000, stats: { inactive_file: 1_000_000 } },
      networks: { eth0: { rx_bytes: 1500, tx_bytes: 20 }, eth1: { rx_bytes: 500, tx_bytes: 1 } },
      blkio_stats: {
        io_service_bytes_recursive: [
          { op: "Read", value: 4096 },
          { op: "write", value: 10 },
          { op: "Total", value: 4106 },
        ],
      },
      pids_stats: { current: 3 },
    },
  },
  "GET /info": { status: 200, body: { IndexServerAddress: "https://index.docker.io/v1/", OSType: "linux" } },
  "GET /system/df": {
    status: 200,
    body: {
      LayersSize: 3_000_000,
      Images: [
        {
          Id: "sha256:aaaaaaaaaaaaaaaaaaaa",
          RepoTags: ["r:1"],
          RepoDigests: [],
          Created: 1_700_000_000,
          Size: 2_000_000,
          SharedSize: 500_000,
          Containers: 1,
          Labels: null,
          ParentId: "",
        },
        {
          Id: "sha256:bbbbbbbbbbbbbbbbbbbb",
          RepoTags: ["<none>:<none>"],
          RepoDigests: [],
          Created: 1_700_000_000,
          Size: 1_500_000,
          SharedSize: 500_000,
          Containers: 0,
          Labels: null,
          ParentId: "",
        },
      ],
      Containers: [
        {
          Id: "cccccccccccccccccccc",
          Names: ["/one"],
          Image: "r:1",
          ImageID: "sha256:aaaa",
          Command: "sleep 1000",
          Created: 1_700_000_000,
          Ports: [],
          SizeRw: 10,
          SizeRootFs: 2_000_010,
          Labels: {},
          State: "running",
          Status: "Up 2 hours",
          Mounts: [],
        },
        {
          Id: "dddddddddddddddddddd",
          Names: ["/two"],
          Image: "r:1",
          ImageID: "sha256:aaaa",
          Command: "sh",
          Created: 1_700_000_000,
          Ports: [],
          SizeRw: 5,
          Labels: {},
          State: "exited",
          Status: "Exited (0) 2 hours ago",
          Mounts: [],
        },
      ],
      Volumes: [
        {
          Name: "v",
          Driver: "local",
          Mountpoint: "/m",
          CreatedAt: "2023-01-01T00:00:00Z",
          Labels: null,
          Options: null,
          Scope: "local",
          UsageData: { Size: 1000, RefCount: 1 },
        },
        {
          Name: "w",
          Driver: "local",
          Mountpoint: "/n",
          CreatedAt: "2023-01-01T00:00:00Z",
          Labels: null,
          Options: null,
          Scope: "local",
          UsageData: { Size: 3000, RefCount: 0 },
        },
      ],
      BuildCache: [
        {
          ID: "eeeeeeeeeeeeeeeeeeee",
          Type: "regular",
          Description: "x",
          InUse: true,
          Shared: false,
          Size: 100,
          CreatedAt: "2023-01-01T00:00:00Z",
          LastUsedAt: "2023-01-02T00:00:00Z",
          UsageCount: 2,
        },
        {
          ID: "ffffffffffffffffffff",
          Type: "regular",
          Description: "y",
          InUse: false,
          Shared: false,
          Size: 200,
          CreatedAt: "2023-01-01T00:00:00Z",
          LastUsedAt: null,
          UsageCount: 1,
        },
      ],
    },
  },
};

/** Command lines; "@…" is a file of the test's own directory. A second element is stdin. */
const lines: (string[] | [string[], string])[] = [
  ["container", "prune", "-f"],
  ["container", "prune", "-f", "--filter", "until=1h", "--filter", "label=a"],
  [["container", "prune"], "n\n"],
  [["container", "prune"], "y\n"],
  ["image", "prune", "-f"],
  ["image", "prune", "-af", "--filter", "label!=x"],
  [["image", "prune", "-a"], ""],
  ["network", "prune", "-f"],
  ["volume", "prune", "-f"],
  ["volume", "prune", "-af"],
  ["volume", "prune", "-af", "--filter", "all=1"],
  ["builder", "prune", "-af", "--keep-storage", "1m"],
  [["builder", "prune"], "no\n"],
  ["system", "prune", "-f"],
  ["system", "prune", "-af", "--volumes"],
  ["system", "prune", "-f", "--volumes", "--filter", "until=1h"],
  [["system", "prune", "--filter", "label=b", "--filter", "label=a"], "\n"],
  [["system", "prune", "-a", "--volumes"], "n"],
  ["commit", "x"],
  ["commit", "-m", "c", "-a", "me", "-c", "CMD a", "-c", "ENV b=c", "-p=false", "x", "r:t"],
  ["commit", "x", "r.example/a/b"],
  ["commit", "x", "BAD"],
  ["update", "--memory", "1g", "x"],
  ["update", "--restart", "on-failure:3", "--cpus", "1.5", "--pids-limit", "-1", "x", "y"],
  ["update", "--cpu-shares", "5", "--cpuset-cpus", "0", "--blkio-weight", "10", "--memory-swap", "-1", "y"],
  ["update", "x"],
  ["update", "--memory", "1g", "absent"],
  ["diff", "x"],
  ["diff", "absent"],
  ["search", "busybox"],
  ["search", "--no-trunc", "--limit", "5", "--filter", "stars=3", "busybox"],
  ["search", "--format", "{{.Name}}: {{.StarCount}} {{.IsOfficial}}", "busybox"],
  ["search", "--format", "table {{.Name}}\\t{{.StarCount}}", "busybox"],
  ["push", "x"],
  ["push", "-q", "x:1"],
  ["push", "-a", "x"],
  ["push", "-a", "x:1"],
  ["push", "r.example:5/a/b:c"],
  ["push", "--platform", "linux/amd64", "x"],
  ["load", "-i", "@tar"],
  [["load"], "bytes of an archive"],
  ["load", "-q", "-i", "@tar", "--platform", "linux/arm64/v8"],
  ["load", "-i", "@absent"],
  ["save", "x", "y:1"],
  ["save", "-o", "@saved", "x"],
  ["save", "--platform", "linux/arm/v7", "x"],
  ["import", "@tar"],
  ["import", "-m", "msg", "-c", "CMD x", "--platform", "Linux/ARM64", "@tar", "r:1"],
  [["import", "-", "r"], "bytes"],
  ["import", "http://h.example/x.tar"],
  ["import", "@absent"],
  ["build", "@context"],
  [
    "build",
    "-q",
    "-t",
    "a:b",
    "-t",
    "c",
    "--build-arg",
    "A=1",
    "--build-arg",
    "NOT_SET",
    "--label",
    "x=y",
    "@context",
  ],
  [
    "build",
    "--memory",
    "1m",
    "--memory-swap",
    "-1",
    "--shm-size",
    "2m",
    "--cpu-shares",
    "2",
    "--cpuset-cpus",
    "0",
    "--network",
    "host",
    "@context",
  ],
  [
    "build",
    "--target",
    "t",
    "--platform",
    "linux/amd64",
    "--pull",
    "--no-cache",
    "--rm=false",
    "--force-rm",
    "@context",
  ],
  [
    "build",
    "--add-host",
    "a:1.1.1.1",
    "--security-opt",
    "s",
    "--cgroup-parent",
    "cg",
    "--ulimit",
    "nofile=1:2",
    "--cache-from",
    "q,r",
    "@context",
  ],
  ["build", "-f", "@context/other", "@context"],
  ["build", "@ignoring"],
  ["build", "nosuch"],
  ["build", "-t", "BAD", "@context"],
  ["build", "-f", "-", "-"],
  [["build", "-"], "FROM x\n"],
  ["checkpoint", "ls", "x"],
  ["checkpoint", "ls", "--checkpoint-dir", "/d", "x"],
  ["checkpoint", "create", "--leave-running", "x", "c"],
  ["checkpoint", "create", "--checkpoint-dir", "/d", "x", "c"],
  ["checkpoint", "rm", "x", "c"],
  ["stats", "--no-stream", "x"],
  [
    "stats",
    "--no-stream",
    "--no-trunc",
    "--format",
    "{{.Container}} {{.ID}} {{.Name}} {{.CPUPerc}} {{.PIDs}}",
    "x",
  ],
  ["stats", "--no-stream", "--format", "json", "x"],
  ["stats", "--no-stream", "absent"],
  ["system", "df"],
  ["system", "df", "--format", "json"],
  ["system", "df", "--format", "{{.Type}} {{.Size}} {{.Reclaimable}}"],
  ["system", "df", "-v"],
  ["system", "df", "-v", "--format", "{{range .Volumes}}{{.Name}} {{.Size}}\n{{end}}"],
  [["login", "-u", "me", "--password-stdin", "r.example"], "secret\n"],
  ["login", "-u", "me", "-p", "secret"],
  ["login", "-u", "me", "-p", "a", "--password-stdin"],
  [["login"], ""],
  ["logout", "r.example"],
  ["logout"],
  ["volume", "update", "x"],
];

interface Told extends Result {
  asked: unknown[];
}

describe.skipIf(!realDocker)("against the real CLI", () => {
  const dir = mkdtempSync(join(tmpdir(), "bunker-requests-"));
  let recorder: Recorder;

  beforeAll(async () => {
    recorder = await startRecorder(answers);
    writeFileSync(join(dir, "tar"), "bytes of an archive");
    mkdirSync(join(dir, "context"));
    writeFileSync(join(dir, "context", "Dockerfile"), "FROM x\n");
    writeFileSync(join(dir, "context", "other"), "FROM y\n");
    mkdirSync(join(dir, "ignoring", "sub", "deep"), { recursive: true });
    writeFileSync(join(dir, "ignoring", "Dockerfile"), "FROM x\n");
    writeFileSync(
      join(dir, "ignoring", ".dockerignore"),
      "# all but one\n**/*.log\nsub/deep\n!sub/deep/kept\n",
    );
    for (const name of ["a.log", "sub/b.log", "sub/c", "sub/deep/gone", "sub/deep/kept"]) {
      writeFileSync(join(dir, "ignoring", name), name);
    }
  });
  afterAll(async () => {
    await recorder[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  async function told(client: string[], line: string[], stdin: string | undefined): Promise<Told> {
    const words = line.map((word) => word.replace(/^@/, `${dir}/`));
    const config = mkdtempSync(join(dir, "config-"));
    const result = await run([...client, ...words], {
      env: { DOCKER_HOST: recorder.host, DOCKER_CONFIG: config },
      stdin: stdin ?? "",
    });
    const asked = recorder.take().filter(({ path }) => path !== "/info");
    const plain = (text: string) =>
      text
        .replaceAll(config, "CONFIG")
        // The real one's word about its own builder.
        .replace(/DEPRECATED: The legacy builder[\s\S]*?go\/buildx\/\n\n/, "")
        .trimEnd();
    return {
      ...result,
      stdout: plain(result.stdout),
      stderr: plain(result.stderr),
      asked: asked.map(({ method, path, query, headers, body, size }: Recorded) => ({
        method,
        path,
        query,
        body,
        // A tar's padding is the packer's own affair.
        size: path === "/build" || body !== undefined ? undefined : size,
        auth: headers["x-registry-auth"] ?? headers["x-registry-config"],
        type: headers["content-type"],
      })),
    };
  }

  test.each(
    lines.map((line) =>
      Array.isArray(line[0]) ? (line as [string[], string]) : [line as string[], undefined],
    ),
  )("docker %j", async (line, stdin) => {
    const theirs = await told([realDocker!], line as string[], stdin as string | undefined);
    const ours = await told([bun, main, "docker"], line as string[], stdin as string | undefined);
    expect(ours).toEqual(theirs);
  });

  test("save wrote the file", () => {
    expect(readFileSync(join(dir, "saved"), "utf8")).toContain("a tar, but bytes");
  });
});
