// What pulling and pushing share: how progress is shown, and who asks.
import { dropPages } from "../../../ffi/give-back.ts";
import type { RegistryAuth, TransferProgress } from "../../wire/containerd/services.ts";
import { UsageError } from "./command.ts";
import type { FlagSpec } from "./flags.ts";
import { binarySize } from "./format.ts";

/** Columns of a progress bar. */
const BAR = 38;

/** The blobs of a transfer as lines that are drawn over each other; without a terminal each is told once, at its end. */
export class Display {
  readonly #rows = new Map<string, string>();
  #drawn = 0;
  #waits = false;

  constructor(private readonly terminal: boolean) {}

  show(one: TransferProgress): void {
    if (!this.#waits) {
      // From here on there is little to do but to wait, for minutes maybe: what the way here took is not needed for that.
      this.#waits = true;
      Bun.gc(true);
      dropPages();
    }
    const name = one.id ?? one.digest;
    if (name === undefined) return;
    const ended = ["complete", "exists", "done", "resolved", "downloaded", "mounted"].includes(one.event);
    if (!this.terminal) {
      if (one.event === "complete" || one.event === "exists") process.stdout.write(`${name}: ${one.event}\n`);
      return;
    }
    const { progress = 0, total = 0 } = one;
    const filled = ended ? BAR : total > 0 ? Math.floor((progress / total) * BAR) : 0;
    const bar = `|${"+".repeat(filled)}${"-".repeat(BAR - filled)}|`;
    const sizes = !ended && total > 0 ? ` ${binarySize(progress)}/${binarySize(total)}` : "";
    this.#rows.set(name, `${`${name.slice(0, 24)}:`.padEnd(26)}${one.event.padEnd(12)} ${bar}${sizes}`);
    this.#draw();
  }

  #draw(): void {
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    const lines = [...this.#rows.values()].map((row) => `\x1b[2K${row}\n`).join("");
    process.stdout.write(up + lines);
    this.#drawn = this.#rows.size;
  }
}

/** Credentials of --user and --refresh. */
export function authOf(user: string, refresh: string): RegistryAuth | undefined {
  if (refresh !== "") return { identityToken: refresh };
  if (user === "") return undefined;
  const at = user.indexOf(":");
  if (at < 0) throw new UsageError("--user needs a password: user:password");
  return { username: user.slice(0, at), password: user.slice(at + 1) };
}

/** Flags of whatever talks to a registry. */
export const registryFlags: readonly FlagSpec[] = [
  { name: "skip-verify", aliases: ["k"], kind: "boolean", about: "skip SSL certificate validation" },
  { name: "plain-http", kind: "boolean", about: "allow connections using plain HTTP" },
  { name: "user", aliases: ["u"], kind: "string", about: "user[:password] Registry user and password" },
  { name: "hosts-dir", kind: "string", about: "Custom hosts configuration directory" },
  { name: "refresh", kind: "string", about: "refresh token for authorization server" },
];
