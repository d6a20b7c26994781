// A host whose events go to a process of its own, which can be killed.
import { existsSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { childEnvironment } from "../../src/self.ts";
import { Host, type ToldEvent, until } from "./harness.ts";

export class MortalHost extends Host {
  #sink: Bun.Subprocess | undefined;
  #file = "";
  #fd = -1;
  #told: ToldEvent[] = [];
  #read = 0;

  /** Resolves once events are taken. */
  static async make(): Promise<MortalHost> {
    const host = new MortalHost();
    host.deafen();
    host.#file = join(host.directory, "events");
    writeFileSync(host.#file, "");
    host.#fd = openSync(host.#file, "r");
    await host.#start();
    return host;
  }

  async #start(): Promise<void> {
    const socket = `${this.address}.ttrpc`;
    this.#sink = Bun.spawn([process.execPath, join(import.meta.dir, "event-sink.ts"), socket, this.#file], {
      env: childEnvironment(),
      stdio: ["ignore", "inherit", "inherit"],
    });
    await until("the daemon that takes events", () => existsSync(socket));
  }

  override get events(): readonly ToldEvent[] {
    if (this.#fd < 0) return this.#told;
    const more = Buffer.alloc(1 << 16);
    for (let got = 1; got > 0; ) {
      got = readSync(this.#fd, more, 0, more.length, this.#read);
      const whole = more.subarray(0, got).lastIndexOf(10) + 1;
      if (whole === 0) break;
      for (const line of more
        .subarray(0, whole - 1)
        .toString()
        .split("\n"))
        this.#told.push(JSON.parse(line));
      this.#read += whole;
    }
    return this.#told;
  }

  /** SIGKILL to the daemon, and a new one. */
  async killDaemon(): Promise<void> {
    const before = this.#sink;
    before?.kill("SIGKILL");
    await before?.exited;
    if (this.#sink === before) await this.#start();
  }

  override async close(): Promise<void> {
    this.#sink?.kill("SIGKILL");
    await this.#sink?.exited;
    await super.close();
  }
}
