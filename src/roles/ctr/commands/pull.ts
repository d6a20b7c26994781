import { parsePlatform } from "../../../spec/oci/platform.ts";
import type { RegistryAuth, TransferProgress } from "../../../wire/containerd/services.ts";
import { type Command, SNAPSHOTTER, UsageError } from "../command.ts";
import { binarySize, labelArgs } from "../format.ts";

/** Columns of a progress bar. */
const BAR = 38;

/** The blobs of a pull as lines that are drawn over each other; without a terminal each blob is told once, at its end. */
class Display {
  readonly #rows = new Map<string, string>();
  #drawn = 0;

  constructor(private readonly terminal: boolean) {}

  show(one: TransferProgress): void {
    const name = one.id ?? one.digest;
    if (name === undefined) return;
    const ended = ["complete", "exists", "done", "resolved", "downloaded"].includes(one.event);
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

function authOf(user: string, refresh: string): RegistryAuth | undefined {
  if (refresh !== "") return { identityToken: refresh };
  if (user === "") return undefined;
  const at = user.indexOf(":");
  if (at < 0) throw new UsageError("--user needs a password: user:password");
  return { username: user.slice(0, at), password: user.slice(at + 1) };
}

export const pull: Command = {
  names: ["pull"],
  about: "pull an image from a remote",
  use: "[command options] [flags] <ref>",
  flags: [
    { name: "skip-verify", aliases: ["k"], kind: "boolean", about: "skip SSL certificate validation" },
    { name: "plain-http", kind: "boolean", about: "allow connections using plain HTTP" },
    { name: "user", aliases: ["u"], kind: "string", about: "user[:password] Registry user and password" },
    { name: "refresh", kind: "string", about: "refresh token for authorization server" },
    SNAPSHOTTER,
    { name: "label", kind: "strings", about: "labels to attach to the image" },
    { name: "platform", kind: "string", about: "Pull content from a specific platform" },
  ],
  async run({ services, ns, flags, args: [reference], out }) {
    if (!reference) throw new UsageError("please provide an image reference to pull");
    const { transfer, images } = await services();
    const auth = authOf(flags.string("user"), flags.string("refresh"));
    const platform = flags.string("platform");
    const display = new Display(process.stdout.isTTY);
    const abort = new AbortController();
    process.once("SIGINT", () => abort.abort());
    const begun = performance.now();
    const image = await transfer.pull(
      ns,
      {
        reference,
        ...(auth ? { auth } : {}),
        ...(platform === "" ? {} : { platform: parsePlatform(platform) }),
        insecure: flags.boolean("plain-http") || flags.boolean("skip-verify"),
        snapshotter: flags.string("snapshotter"),
        signal: abort.signal,
      },
      (progress) => display.show(progress),
    );
    const labels = labelArgs(flags.strings("label"));
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    if (paths.length > 0) await images.update(ns, { ...image, labels }, paths);
    out(`${image.name} ${image.target.digest}\n`);
    out(`done: ${((performance.now() - begun) / 1000).toFixed(3)}s\n`);
    return 0;
  },
};
