// The container's cgroup is not charged with the runtime: a static `true` starts within a limit that no Go or JavaScript
// program would begin in. The same on cgroup v2: scripts/vm/smoke.sh.
import { expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ground, unable } from "./ground.ts";

/** The smallest of programs: exit(0), nothing else (ELF header, one program header, seven instructions). */
function trueProgram(): Uint8Array {
  const code =
    process.arch === "arm64"
      ? // mov x8, #94; mov x0, #0; svc #0
        [0xc8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4]
      : // mov eax, 231; xor edi, edi; syscall
        [0xb8, 0xe7, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
  const bytes = new Uint8Array(120 + code.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, process.arch === "arm64" ? 183 : 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0x400078n, true); // entry
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // r-x
  view.setBigUint64(80, 0x400000n, true);
  view.setBigUint64(88, 0x400000n, true);
  view.setBigUint64(96, BigInt(bytes.length), true);
  view.setBigUint64(104, BigInt(bytes.length), true);
  view.setBigUint64(112, 0x1000n, true);
  bytes.set(code, 120);
  return bytes;
}

const counted =
  existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes") ||
  (existsSync("/sys/fs/cgroup/cgroup.controllers") &&
    readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").includes("memory"));
const reason = unable || (counted ? "" : "no memory controller");

for (const limit of [512 * 1024, 768 * 1024, 1024 * 1024])
  test.skipIf(reason !== "")(
    `a static true starts with a limit of ${limit / 1024} KiB${reason && ` (skipped: ${reason})`}`,
    async () => {
      await using ground = new Ground();
      const program = join(ground.rootfs, "bin", "nothing");
      writeFileSync(program, trueProgram());
      chmodSync(program, 0o755);
      ground.configure(["/bin/nothing"], (config) => {
        config.linux!.resources = { ...config.linux!.resources, memory: { limit } };
      });
      expect(await ground.runc(["run", ground.id])).toEqual({ code: 0, out: "", err: "" });
      // create and start, where the launcher sits in the cgroup meanwhile.
      await ground.ok("create", ground.id);
      await ground.ok("start", ground.id);
      await ground.ok("delete", "--force", ground.id);
      expect(ground.leftovers()).toEqual([]);
    },
  );
