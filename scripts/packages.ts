// What the tests need from Debian. Nothing of it is needed to build or to run Bunker itself.
import { existsSync } from "node:fs";

/** A file that shows the package is there → the package. */
const NEEDED: Readonly<Record<string, string>> = {
  "/bin/busybox": "busybox-static",
  "/usr/share/doc/busybox-static/copyright": "busybox-static",
  "/usr/bin/gcc": "gcc",
  "/usr/include/stdio.h": "libc6-dev",
  "/usr/include/linux/openat2.h": "linux-libc-dev",
  "/usr/bin/aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
  "/usr/aarch64-linux-gnu/include/stdio.h": "libc6-dev-arm64-cross",
  "/usr/aarch64-linux-gnu/include/asm/unistd.h": "linux-libc-dev-arm64-cross",
  "/usr/bin/qemu-aarch64-static": "qemu-user-static",
  "/usr/sbin/runc": "runc",
  "/usr/bin/crun": "crun",
  "/usr/bin/containerd": "containerd",
  "/usr/sbin/dockerd": "docker.io",
  "/usr/bin/podman": "podman",
  "/usr/bin/conmon": "conmon",
  "/usr/sbin/criu": "criu",
  "/usr/bin/docker-registry": "docker-registry",
  "/usr/bin/skopeo": "skopeo",
  "/usr/bin/umoci": "umoci",
  "/usr/bin/mmdebstrap": "mmdebstrap",
  "/usr/bin/mariadb": "mariadb-client",
  "/usr/bin/docker-compose": "docker-compose",
  "/usr/sbin/nft": "nftables",
  "/usr/sbin/iptables": "iptables",
  "/usr/sbin/ip": "iproute2",
  "/usr/bin/ps": "procps",
  "/usr/bin/python3": "python3-minimal",
  "/usr/bin/setfattr": "attr",
  "/usr/bin/strace": "strace",
  "/usr/bin/newuidmap": "uidmap",
  "/usr/bin/git": "git",
  "/usr/bin/zstd": "zstd",
  "/usr/bin/dbus-daemon": "dbus-daemon",
  "/usr/bin/busctl": "systemd",
  "/usr/bin/tree": "tree",
};

/** Installs with apt-get what is missing. Tests that miss a program afterwards say so and count as skipped. */
export function installPackages(): void {
  const missing = new Set(Object.entries(NEEDED).flatMap(([file, name]) => (existsSync(file) ? [] : [name])));
  if (missing.size === 0) return;
  if (process.getuid?.() !== 0 || !Bun.which("apt-get")) {
    console.log(`not installed, and not root on a Debian host: ${[...missing].join(" ")}`);
    return;
  }
  console.log(`installing ${[...missing].join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]) =>
    Bun.spawnSync(["apt-get", "-qq", ...args], { env, stdin: "ignore", stdout: "ignore", stderr: "inherit" })
      .exitCode;
  apt("update");
  if (apt("install", "-y", "--no-install-recommends", ...missing) === 0) return;
  // One package that this release lacks must not keep the others away.
  for (const name of missing) {
    if (apt("install", "-y", "--no-install-recommends", name) !== 0) console.log(`could not install ${name}`);
  }
}
