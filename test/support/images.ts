// Images for the tests, made from Debian packages, as OCI layouts below .cache/images (kept between runs).
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { must } from "./process.ts";

const root = dirname(dirname(import.meta.dir));
const cache = join(root, ".cache", "images");

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A busybox root file system, as the founding article's `tree` shows it. */
export async function busyboxRootfs(into: string): Promise<void> {
  for (const dir of [
    "bin",
    "etc",
    "dev/pts",
    "dev/shm",
    "home",
    "proc",
    "root",
    "sys",
    "tmp",
    "usr/sbin",
    "usr/bin",
    "var/spool/mail",
    "var/www",
  ]) {
    mkdirSync(join(into, dir), { recursive: true, mode: 0o755 });
  }
  chmodSync(join(into, "tmp"), 0o1777);
  cpSync("/bin/busybox", join(into, "bin", "busybox"));
  for (const applet of (await must(["/bin/busybox", "--list"])).trim().split("\n")) {
    if (applet !== "busybox") linkSync(join(into, "bin", "busybox"), join(into, "bin", applet));
  }
  symlinkSync("../../bin/env", join(into, "usr", "bin", "env"));
  writeFileSync(
    join(into, "etc", "passwd"),
    "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
  );
  writeFileSync(
    join(into, "etc", "group"),
    "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n",
  );
}

interface ImageConfig {
  Cmd?: string[];
  Entrypoint?: string[];
  Env?: string[];
  Volumes?: Record<string, object>;
  ExposedPorts?: Record<string, object>;
}

/** Writes an OCI layout with one image. Each layer is a list of tar arguments run in `rootfs`. */
export async function writeLayout(
  layout: string,
  rootfs: string,
  layers: string[][],
  config: ImageConfig,
): Promise<void> {
  const blobs = join(layout, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const add = (bytes: Uint8Array) => {
    const digest = sha256(bytes);
    writeFileSync(join(blobs, digest.slice("sha256:".length)), bytes);
    return { digest, size: bytes.length };
  };
  const diffIds: string[] = [];
  const descriptors: object[] = [];
  for (const selection of layers) {
    const tar = join(layout, "layer.tar");
    await must(["tar", "-C", rootfs, "--sort=name", "--numeric-owner", "-cf", tar, ...selection], {
      deadline: 300_000,
    });
    diffIds.push(sha256(readFileSync(tar)));
    await must(["gzip", "-1", "-n", "-f", tar], { deadline: 300_000 });
    descriptors.push({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      ...add(readFileSync(`${tar}.gz`)),
    });
    rmSync(`${tar}.gz`);
  }
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const image = add(
    json({
      created: "2026-01-01T00:00:00Z",
      architecture,
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: diffIds },
      history: diffIds.map(() => ({ created: "2026-01-01T00:00:00Z", created_by: "test" })),
    }),
  );
  const manifest = add(
    json({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...image },
      layers: descriptors,
    }),
  );
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          ...manifest,
          annotations: { "org.opencontainers.image.ref.name": "latest" },
        },
      ],
    }),
  );
}

/** Makes `name` once: `make` fills a directory that appears in the cache only when it is whole. */
export async function cached(name: string, make: (layout: string) => Promise<void>): Promise<string> {
  const layout = join(cache, name);
  if (existsSync(layout)) return layout;
  mkdirSync(cache, { recursive: true });
  const aside = mkdtempSync(join(cache, `.${name}-`));
  try {
    await make(aside);
    renameSync(aside, layout);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    throw error;
  }
  return layout;
}

/** The busybox image: one layer. Returns its OCI layout. */
export function busyboxImage(): Promise<string> {
  return cached("busybox", async (layout) => {
    const rootfs = mkdtempSync(join(tmpdir(), "bunker-rootfs-"));
    try {
      await busyboxRootfs(rootfs);
      await writeLayout(layout, rootfs, [["."]], { Cmd: ["sh"], Env: [PATH] });
    } finally {
      rmSync(rootfs, { recursive: true });
    }
  });
}

/** A MariaDB image in three layers, from Debian's packages; its entrypoint knows the official image's variables. */
export function mariadbImage(): Promise<string> {
  return cached("mariadb", async (layout) => {
    const work = mkdtempSync(join(tmpdir(), "bunker-rootfs-"));
    const rootfs = join(work, "rootfs");
    try {
      await must(
        [
          "mmdebstrap",
          "--quiet",
          "--mode=root",
          "--variant=minbase",
          "--include=mariadb-server,mariadb-client,gosu",
          '--aptopt=APT::Install-Recommends "false"',
          "--dpkgopt=path-exclude=/usr/share/doc/*",
          "--dpkgopt=path-exclude=/usr/share/man/*",
          "--dpkgopt=path-exclude=/usr/share/locale/*",
          "bookworm",
          rootfs,
        ],
        { deadline: 900_000 },
      );
      rmSync(join(rootfs, "var/lib/mysql"), { recursive: true, force: true });
      rmSync(join(rootfs, "dev"), { recursive: true, force: true });
      mkdirSync(join(rootfs, "dev"));
      mkdirSync(join(rootfs, "var/lib/mysql"), { mode: 0o755 });
      mkdirSync(join(rootfs, "run/mysqld"), { recursive: true });
      await must(["chroot", rootfs, "chown", "mysql:mysql", "/var/lib/mysql", "/run/mysqld"]);
      writeFileSync(
        join(rootfs, "etc/mysql/mariadb.conf.d/99-container.cnf"),
        "[mariadbd]\nskip-name-resolve\nhost-cache-size=0\nbind-address=0.0.0.0\n",
      );
      // As in the official image: the server's log goes to stderr, and so to `docker logs`.
      await must([
        "sed",
        "-i",
        "-E",
        "s/^(log_error|bind-address|user)/#&/",
        join(rootfs, "etc/mysql/mariadb.conf.d/50-server.cnf"),
      ]);
      const entrypoint = join(rootfs, "usr/local/bin/docker-entrypoint.sh");
      cpSync(join(import.meta.dir, "mariadb-entrypoint.sh"), entrypoint);
      chmodSync(entrypoint, 0o755);
      await writeLayout(
        layout,
        rootfs,
        [["--exclude=./usr/lib", "--exclude=./usr/share", "."], ["./usr/lib"], ["./usr/share"]],
        {
          Entrypoint: ["docker-entrypoint.sh"],
          Cmd: ["mariadbd"],
          Env: [PATH, "LANG=C.UTF-8"],
          Volumes: { "/var/lib/mysql": {} },
          ExposedPorts: { "3306/tcp": {} },
        },
      );
    } finally {
      await must(["rm", "-rf", "--one-file-system", work]);
    }
  });
}
