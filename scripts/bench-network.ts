// Networks, measured: ours and Debian's dockerd in turn in one run, each on a host of its own with a neighbour.
//   bun scripts/bench-network.ts [throughput] [setup] [growth] [--rounds N] [--seconds S]
// Needs root, dist/bunker, docker.io, docker-registry and iperf3. On a machine that does other things too the best is what it can
// do, and the median is what others left of it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isErrno } from "../ffi/errno.ts";
import { Place, type Spot } from "../test/network/side-by-side/place.ts";
import { HOST_IP } from "../test/network/world.ts";
import { must, until } from "../test/support/process.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "2" } },
});
const rounds = Number(values.rounds);
const parts = positionals.length > 0 ? positionals : ["throughput", "setup", "growth"];

const sorted = (numbers: readonly number[]) => [...numbers].sort((one, other) => one - other);
const median = (numbers: readonly number[]) => sorted(numbers)[numbers.length >> 1] ?? Number.NaN;
const show = (what: string, ...columns: string[]) =>
  console.log([what.padEnd(52), ...columns.map((column) => column.padStart(14))].join(" "));

const trace = mkdtempSync(join(tmpdir(), "bunker-bench-network-"));
const spans = join(trace, "spans");
const ours = await Place.open("ours", { behind: ["env", `BUNKER_TRACE=${spans}`] });
const debian = await Place.open("debian");

/** A single connection gets what the scheduler gives to two processes or, with a proxy, three: others are to wait. */
const FIRST = ["nice", "-n", "-20"];

interface Speed {
  whole: number;
  best: number;
}

/** Gives the docker-proxy processes on a place's host the same precedence. */
async function hurryProxies(place: Place): Promise<void> {
  const { ino } = statSync(`/run/netns/${place.world.host.name}`);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/comm`, "utf8").trim() !== "docker-proxy") continue;
      if (statSync(`/proc/${pid}/ns/net`).ino === ino) await must(["renice", "-n", "-20", "-p", pid]);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ESRCH")) throw error;
    }
  }
}

/**
 * Gbit/s of one TCP connection from a spot to an address, in writes of 128 KiB (iperf3's own): on the whole, and in its best
 * quarter of a second. `more`: other options of iperf3's.
 */
async function gigabits(
  place: Place,
  from: Spot,
  address: string,
  port: number,
  ...more: string[]
): Promise<Speed> {
  const where = ["-c", address, "-p", String(port), "-t", values.seconds, "-i", "0.25", "-J", ...more];
  const report = JSON.parse(await must((await place.at(from))([...FIRST, "iperf3", ...where])));
  const rates = (report.intervals as { sum: { bits_per_second: number } }[]).map(
    ({ sum }) => sum.bits_per_second,
  );
  // The first interval fills buffers.
  return { whole: report.end.sum_received.bits_per_second / 1e9, best: Math.max(...rates.slice(1)) / 1e9 };
}

async function throughput(): Promise<void> {
  for (const place of [ours, debian]) {
    await place.must("network", "create", "fast");
    await place.container("server", "--network", "fast", "-p", "5201:5201", "-p", "127.0.0.1:5301:5201");
    await place.container("peer", "--network", "fast");
    place.world.keep(
      Bun.spawn((await place.at({ container: "server" }))([...FIRST, "iperf3", "-s"]), { stdout: "ignore" }),
    );
    await until("iperf3", async () => (await gigabits(place, "neighbour", HOST_IP, 5201)).whole > 0);
    await hurryProxies(place);
  }
  const loopback =
    (...more: string[]) =>
    (place: Place) =>
      gigabits(place, "host", "127.0.0.1", 5301, ...more);
  const cases: [string, (place: Place) => Promise<Speed>, number | undefined][] = [
    [
      "container to container",
      async (place) => gigabits(place, { container: "peer" }, await place.address("server", "fast"), 5201),
      0.95,
    ],
    ["neighbour to a published port", (place) => gigabits(place, "neighbour", HOST_IP, 5201), 0.95],
    ["host to a port published on 127.0.0.1", loopback(), 2],
    ["the same, four connections at once", loopback("-P", "4"), undefined],
    ["the same, writes of 1 KiB", loopback("-l", "1K"), undefined],
    ["the same, the container sends", loopback("-R"), undefined],
    [
      "neighbour, the container sends",
      (place) => gigabits(place, "neighbour", HOST_IP, 5201, "-R"),
      undefined,
    ],
  ];
  show("TCP, Gbit/s", "ours: best", "median", "20.10: best", "median", "of bests", "wanted");
  for (const [name, measure, wanted] of cases) {
    const [a, b]: [Speed[], Speed[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      // Whoever goes second finds a warmer machine: they take turns at that, too.
      for (const place of round % 2 === 0 ? [ours, debian] : [debian, ours]) {
        (place === ours ? a : b).push(await measure(place));
      }
    }
    const best = (some: Speed[]) => Math.max(...some.map((speed) => speed.best));
    const middle = (some: Speed[]) => median(some.map(({ whole }) => whole));
    const columns = [best(a), middle(a), best(b), middle(b)].map((value) => value.toFixed(1));
    show(name, ...columns, (best(a) / best(b)).toFixed(2), wanted === undefined ? "" : `>= ${wanted}`);
  }
  for (const place of [ours, debian]) await place.clear();
}

/** The engine's spans so far that are about networks. */
function spansOfNetworks(): { ms: number }[] {
  return readFileSync(spans, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { name: string; ms: number })
    .filter(({ name }) => name.startsWith("network "));
}

async function setup(): Promise<void> {
  const run = async (place: Place, network: string): Promise<number> => {
    const start = performance.now();
    await place.must(
      "run",
      "--rm",
      "--network",
      network,
      ...(network === "none" ? [] : ["-p", "8080:80"]),
      place.image,
      "true",
    );
    return performance.now() - start;
  };
  // What the engine does for the network between create and start: reservations, then interface, rules and names.
  const own: number[] = [];
  show("docker run --rm -p, ms (medians)", "bridge", "none", "of pairs");
  for (const [name, place] of [
    ["ours", ours],
    ["dockerd 20.10", debian],
  ] as const) {
    const pairs: [number, number][] = [];
    for (let round = 0; round < rounds * 4; round++) {
      const before = spansOfNetworks().length;
      const bridge = await run(place, "bridge");
      const sum = spansOfNetworks()
        .slice(before)
        .reduce((total, { ms }) => total + ms, 0);
      if (place === ours) own.push(sum);
      pairs.push([bridge, await run(place, "none")]);
    }
    const differences = pairs.map(([bridge, none]) => bridge - none);
    show(
      name,
      ...[pairs.map(([bridge]) => bridge), pairs.map(([, none]) => none), differences].map((some) =>
        median(some).toFixed(1),
      ),
    );
  }
  show(
    "the engine's own share (trace), ms",
    median(own).toFixed(2),
    `best ${sorted(own)[0]?.toFixed(2)}`,
    `p90 ${sorted(own)[Math.floor(own.length * 0.9)]?.toFixed(2)}`,
    "<= 5",
  );
}

async function growth(): Promise<void> {
  const MOST = 100;
  const api = async (place: Place, verb: string, container: string): Promise<number> => {
    const start = performance.now();
    const answer = await fetch(`http://docker/v1.41/networks/crowd/${verb}`, {
      unix: place.socket.slice("unix://".length),
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ Container: container }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return performance.now() - start;
  };
  show("ms a call, medians of ten, on one network", "1-10", "41-50", "91-100", "last/first");
  for (const [name, place] of [
    ["ours", ours],
    ["dockerd 20.10", debian],
  ] as const) {
    await place.must("network", "create", "crowd");
    for (let at = 0; at < MOST; at++) await place.container(`c${at}`);
    for (const verb of ["connect", "disconnect"]) {
      const taken: number[] = [];
      for (let at = 0; at < MOST; at++) taken.push(await api(place, verb, `c${at}`));
      const [first, middle, last] = [
        [0, 10],
        [40, 50],
        [90, 100],
      ].map(([from, to]) => median(taken.slice(from, to)));
      show(
        `${verb}, ${name}`,
        first!.toFixed(1),
        middle!.toFixed(1),
        last!.toFixed(1),
        (last! / first!).toFixed(2),
      );
    }
    await place.clear();
  }
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = { throughput, setup, growth };
try {
  for (const part of parts) {
    const measure = PARTS[part];
    if (!measure) throw new Error(`no part ${part}: ${Object.keys(PARTS).join(", ")}`);
    await measure();
  }
} finally {
  await ours[Symbol.asyncDispose]();
  await debian[Symbol.asyncDispose]();
  rmSync(trace, { recursive: true, force: true });
}
