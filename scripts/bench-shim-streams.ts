// bun scripts/bench-shim-streams.ts [--megabytes 100]: how fast the shim moves bytes: 100-byte lines into a json-file log,
// and stdin through `cat` to a reader. Needs a build: dist/bunker (or BUNKER_BINARY).
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BundleOptions, cannot, Host } from "../test/shim/harness.ts";

const { values } = parseArgs({ options: { megabytes: { type: "string", default: "100" } } });
process.env["BUNKER_BINARY"] ??= join(import.meta.dir, "../dist/bunker");
if (cannot || !existsSync(process.env["BUNKER_BINARY"])) {
  console.error(`bench-shim-streams: ${cannot ?? "build first (npm run build)"}`);
  process.exit(1);
}
const bytes = Number(values.megabytes) * 1_000_000;

/** Seconds of processor time of a process. */
function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The shim's processor seconds and the wall clock's for one container that runs to its end. */
async function run(name: string, options: BundleOptions, feed?: Uint8Array): Promise<void> {
  const path = join(host.directory, "log", `${name}.log`);
  const shim = await host
    .shim(name, { ...options, stdin: feed !== undefined, annotations: { "bunker.log.path": path } })
    .start(3);
  await shim.create();
  const children: Bun.Subprocess[] = [];
  if (feed) {
    const spawn = (script: string) =>
      Bun.spawn(["sh", "-c", script], { stdio: ["ignore", "inherit", "inherit"] });
    writeFileSync(join(host.directory, "feed"), feed);
    children.push(spawn(`exec cat ${shim.fifo("stdout")} > /dev/null`));
    children.push(spawn(`exec head -c ${bytes} > ${shim.fifo("stdin")} < ${join(host.directory, "feed")}`));
  }
  const before = cpu(shim.pid);
  const from = performance.now();
  await shim.task.start({ id: name });
  if (feed) {
    await children[1]!.exited;
    await shim.task.closeIO({ id: name, stdin: true });
  }
  await shim.task.wait({ id: name });
  const seconds = (performance.now() - from) / 1000;
  const used = cpu(shim.pid) - before;
  for (const child of children) await child.exited;
  const figure = (time: number) => `${(bytes / 1e6 / time).toFixed(0)} MB/s`;
  console.log(
    `${name}: ${figure(seconds)}, ${figure(used)} of the shim's own time, log ${statSync(path).size}`,
  );
  await shim.task.delete({ id: name });
  rmSync(path);
}

/** `bytes` of a repeated pattern. */
function repeated(pattern: Uint8Array): Uint8Array {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += pattern.length) all.set(pattern.subarray(0, bytes - at), at);
  return all;
}

const host = new Host();
try {
  const line = `${"x".repeat(99)}`;
  const script = `yes ${line} | head -c ${bytes}`;
  await run("lines", { args: ["/bin/sh", "-c", script] });
  await run("stdin-lines", { args: ["/bin/cat"] }, repeated(new TextEncoder().encode(`${line}\n`)));
  await run("stdin-zeros", { args: ["/bin/cat"] }, new Uint8Array(bytes));
  await run("stdin-random", { args: ["/bin/cat"] }, repeated(crypto.getRandomValues(new Uint8Array(65536))));
} finally {
  await host.close();
}
