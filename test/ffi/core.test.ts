import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { O_DIRECTORY, O_PATH, O_RDONLY } from "../../ffi/constants/fcntl.ts";
import { errnoName, isErrno, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { makedev, open, openInRoot, read } from "../../ffi/file.ts";
import { cstr, rawSyscall, syscall } from "../../ffi/libc.ts";
import { field, layout, pack } from "../../ffi/struct.ts";

describe("syscalls", () => {
  test("a failure is a typed error with call, errno name and path", () => {
    try {
      open("/nonexistent/file", O_RDONLY);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SyscallError);
      expect(error).toMatchObject({ syscall: "openat", code: "ENOENT", errno: 2, path: "/nonexistent/file" });
      expect((error as Error).message).toBe("openat /nonexistent/file: no such file or directory (ENOENT)");
      expect(isErrno(error, "EACCES", "ENOENT")).toBe(true);
    }
  });

  test("the raw call gives -errno", () => {
    expect(rawSyscall(-1)).toBe(-38);
    expect(errnoName(38)).toBe("ENOSYS");
  });

  test("an embedded NUL never reaches the kernel", () => {
    expect(() => cstr("a\0b")).toThrow("embedded NUL");
  });

  test("getpid agrees", () => {
    expect(syscall("getpid", undefined)).toBe(process.pid);
  });
});

describe("file descriptors", () => {
  test("close themselves at the end of a scope, once", () => {
    let number: number;
    {
      using fd = open("/dev/null", O_RDONLY);
      number = fd.number;
      expect(rawSyscall(72, number, 1)).toBeGreaterThanOrEqual(0);
    }
    expect(rawSyscall(72, number, 1)).toBe(-9);
  });

  test("a closed one is an error, not a number that may name another file", () => {
    const fd = open("/dev/null", O_RDONLY);
    fd.close();
    fd.close();
    expect(() => fd.number).toThrow("closed file descriptor (/dev/null)");
  });

  test("a released one is left open", () => {
    const fd = open("/dev/null", O_RDONLY);
    const owned = new Fd(fd.release());
    expect(() => fd.number).toThrow();
    fd.close();
    expect(rawSyscall(72, owned.number, 1)).toBeGreaterThanOrEqual(0);
    owned.close();
  });

  test("openInRoot keeps symlinks and .. inside", () => {
    const dir = mkdtempSync(join(tmpdir(), "bunker-ffi-"));
    try {
      writeFileSync(join(dir, "passwd"), "inside");
      symlinkSync("/passwd", join(dir, "absolute"));
      symlinkSync("../../../../passwd", join(dir, "dots"));
      using root = open(dir, O_PATH | O_DIRECTORY);
      for (const name of ["absolute", "dots", "/passwd"]) {
        using file = openInRoot(root, name, O_RDONLY);
        const into = new Uint8Array(16);
        expect(Buffer.from(into.subarray(0, read(file, into))).toString()).toBe("inside");
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe("structs", () => {
  const Sample = layout({
    c: "struct flock",
    header: "fcntl.h",
    size: 32,
    fields: {
      l_type: [0, "u16"],
      l_whence: [2, "u16"],
      l_start: [8, "i64"],
      l_len: [16, "i64"],
      l_pid: [24, "i32"],
    },
  });

  test("pack and read back", () => {
    const bytes = pack(Sample, { l_type: 1, l_start: -5n, l_len: 2 ** 40, l_pid: -1 });
    expect(bytes.length).toBe(32);
    expect(field(Sample, bytes, "l_start")).toBe(-5);
    expect(field(Sample, bytes, "l_len")).toBe(2 ** 40);
    expect(field(Sample, bytes, "l_pid")).toBe(-1);
  });

  test("device numbers as gnu_dev_makedev packs them", () => {
    expect(makedev(1, 3)).toBe(0x103);
    expect(makedev(8, 259)).toBe(0x100803);
  });
});
