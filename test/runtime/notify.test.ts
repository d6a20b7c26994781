// NOTIFY_SOCKET: the container's program says that it is ready, and the service manager hears it. man 3 sd_notify
import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { arch } from "../../ffi/arch/index.ts";
import { AF_UNIX, SOCK_DGRAM } from "../../ffi/constants/unix.ts";
import { bindUnixDatagram } from "../../ffi/datagram.ts";
import type { Fd } from "../../ffi/fd.ts";
import { receiveFds } from "../../ffi/socket.ts";
import { assemble } from "../../src/launcher/elf.ts";
import { Plan } from "../../src/launcher/plan.ts";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { Ground, unable, until } from "./ground.ts";

const it = test.skipIf(unable !== "");

/** A program that says two messages to /run/notify/notify.sock and, unless it ends, waits for ever. */
function speaker(stays: boolean): Uint8Array {
  const plan = new Plan("speaker", arch);
  const path = Buffer.from("/run/notify/notify.sock\0");
  const address = plan.bytes("address", Buffer.concat([Buffer.from([AF_UNIX, 0]), path]));
  const fd = plan.slot("socket");
  plan.call("socket", [AF_UNIX, SOCK_DGRAM, 0], { into: fd });
  for (const text of ["STATUS=not yet", "WATCHDOG=1\nREADY=1\nMAINPID=4711"])
    plan.call("sendto", [fd, plan.string(text), text.length, 0, address, 2 + path.length]);
  if (stays) plan.call("ppoll", [0, 0, 0, 0, 8]);
  plan.call("exit_group", [0]);
  return assemble(plan);
}

/** A service manager: what it was told, with every barrier let go of. */
class Manager implements Disposable {
  readonly #socket: Fd;
  readonly path: string;
  readonly heard: string[] = [];

  constructor(directory: string) {
    this.path = join(directory, "manager");
    this.#socket = bindUnixDatagram(directory, "manager");
  }

  listen(): number {
    for (let one = receiveFds(this.#socket); one; one = receiveFds(this.#socket)) {
      this.heard.push(new TextDecoder().decode(one.data));
      for (const fd of one.fds) fd.close();
    }
    return this.heard.length;
  }

  /** What was said until a call of the runtime has ended well. */
  async during(call: Promise<{ code: number; err: string }>): Promise<string[]> {
    let ended = false;
    const end = call.finally(() => {
      ended = true;
    });
    await until("its end", () => {
      this.listen();
      return ended;
    });
    expect(await end).toMatchObject({ code: 0, err: "" });
    this.listen();
    return this.heard.splice(0);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

function prepare(ground: Ground, stays: boolean, change: (config: Config) => void = () => {}): void {
  writeFileSync(join(ground.rootfs, "bin", "speaker"), speaker(stays), { mode: 0o755 });
  ground.configure(["speaker"], change);
}

it(`start passes on that it is ready, and names the process to watch${unable && ` (skipped: ${unable})`}`, async () => {
  await using ground = new Ground();
  using manager = new Manager(ground.directory);
  const env = { NOTIFY_SOCKET: manager.path };
  prepare(ground, true, (config) => {
    config.process!.user = { uid: 1000, gid: 1000 };
  });
  expect(await ground.runc(["create", ground.id], env)).toMatchObject({ code: 0, err: "" });
  // The start needs the runtime: it stays to listen.
  expect(existsSync(join(ground.root, ground.id, "start.plain"))).toBe(false);
  const heard = await manager.during(ground.runc(["start", ground.id], env));
  const { pid, status } = await ground.state();
  expect(status).toBe("running");
  expect(heard).toEqual(["READY=1\n", `MAINPID=${pid}\n`, "BARRIER=1"]);
  await ground.ok("delete", "--force", ground.id);
  expect(ground.leftovers()).toEqual([]);
});

it("run passes it on too, detached and not", async () => {
  await using ground = new Ground();
  using manager = new Manager(ground.directory);
  const env = { NOTIFY_SOCKET: manager.path };
  prepare(ground, true);
  const heard = await manager.during(ground.runc(["run", "--detach", ground.id], env));
  expect(heard).toEqual(["READY=1\n", `MAINPID=${(await ground.state()).pid}\n`, "BARRIER=1"]);
  await ground.ok("delete", "--force", ground.id);

  const foreground = ground.runc(["run", ground.id], env);
  await until("the word", () => manager.listen() >= 2);
  expect(manager.heard.splice(0)).toEqual(["READY=1\n", "BARRIER=1"]);
  await ground.ok("kill", ground.id, "KILL");
  expect((await foreground).code).toBe(137);
  expect(ground.leftovers()).toEqual([]);
});

it("a container that ends without a word is not waited for", async () => {
  await using ground = new Ground();
  using manager = new Manager(ground.directory);
  const env = { NOTIFY_SOCKET: manager.path };
  ground.shell('test "$NOTIFY_SOCKET" = /run/notify/notify.sock && test -S "$NOTIFY_SOCKET" || sleep 1000');
  expect(await ground.runc(["create", ground.id], env)).toMatchObject({ code: 0, err: "" });
  expect(await manager.during(ground.runc(["start", ground.id], env))).toEqual([]);
  await ground.ok("delete", "--force", ground.id);
  // Nor one that was created without.
  ground.shell("sleep 1000");
  await ground.ok("create", ground.id);
  expect(await manager.during(ground.runc(["start", ground.id], env))).toEqual([]);
  expect((await ground.state()).status).toBe("running");
});
