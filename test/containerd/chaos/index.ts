// kill -9 of containerd at random moments while it works; after each restart its state is held against what it acknowledged.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { answersUnix } from "../../../ffi/socket.ts";
import { connect } from "../../../src/wire/containerd/client/connect.ts";
import { removeCgroups } from "../../support/cgroups.ts";
import { plainEnvironment, until } from "../../support/process.ts";
import { age } from "./age.ts";
import { checkAcknowledged, checkCollected, checkRunning, type Place } from "./check.ts";
import { chaosRegistry } from "./images.ts";
import { endTask, Ledger, type World, work } from "./work.ts";

export interface ChaosOptions {
  /** The command line of our containerd, without its flags. */
  command: readonly string[];
  /** An empty directory of its own. */
  dir: string;
  rounds: number;
  seed: number;
  /** Told after each round. */
  report?: (round: number, figures: Figures) => void;
}

/** What was there at the end of a round, and how long the daemon lived and came back, in ms. */
export interface Figures {
  lived: number;
  back: number;
  images: number;
  blobs: number;
  snapshots: number;
  containers: number;
  tasks: number;
}

const LANES = 3;
const LAYER = 700_000;
const STEPS = 25;
const MOMENT = 80;
/** A killed daemon's clients must know within that time. */
const NOTICE = 20_000;

/** mulberry32: the same seed makes the same choices (not the same moments). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Runs the rounds. Throws at the first inconsistency. Leaves nothing but `dir`, which it empties. */
export async function chaos({ command, dir, rounds, seed, report }: ChaosOptions): Promise<void> {
  const place: Place = { root: join(dir, "root"), state: join(dir, "state"), address: join(dir, "c.sock") };
  const ns = `chaos-${process.pid}-${seed}`;
  const random = randomOf(seed);
  const ledger = new Ledger();
  const { server, images } = chaosRegistry(LANES, LAYER);
  mkdirSync(dir, { recursive: true });

  const flags = [
    "--root",
    place.root,
    "--state",
    place.state,
    "--address",
    place.address,
    "--log-level",
    "warn",
  ];
  const start = async () => {
    const child = Bun.spawn([...command, ...flags], {
      env: plainEnvironment(),
      stdio: ["ignore", "ignore", Bun.file(join(dir, "log"))],
    });
    await until("containerd", () => {
      if (child.exitCode !== null) throw new Error(`containerd exited ${child.exitCode}`);
      return existsSync(place.address) && answersUnix(place.address);
    });
    return child;
  };
  let child = await start();
  try {
    for (let round = 1; round <= rounds; round++) {
      const remote = await connect(place.address);
      const world: World = { services: remote.services, ns, ledger, random };
      let killed = false;
      // After so many steps and a moment more: in the middle of others, on fast machines and slow ones.
      const steps = Math.floor(random() ** 2 * STEPS);
      const enough = Promise.withResolvers<void>();
      let done = 0;
      const onStep = () => {
        if (++done >= steps) enough.resolve();
      };
      if (steps === 0) enough.resolve();
      const lanes = images.map((image, lane) =>
        work(world, lane, image, onStep).catch((error) => {
          if (!killed) throw error;
        }),
      );
      const woken = performance.now();
      await Promise.race([enough.promise.then(() => Bun.sleep(random() * MOMENT)), Promise.all(lanes)]);
      const lived = Math.round(performance.now() - woken);
      killed = true;
      child.kill("SIGKILL");
      await child.exited;
      const late = AbortSignal.timeout(NOTICE);
      await Promise.race([
        Promise.all(lanes),
        new Promise((_, reject) =>
          late.addEventListener("abort", () =>
            reject(new Error(`clients still wait ${NOTICE} ms after the kill`)),
          ),
        ),
      ]);
      await remote.close();

      // In the other rounds what is unfinished is there to be taken up again.
      const aged = random() < 0.5 || round === rounds;
      if (aged) age(place.root);
      const begun = performance.now();
      child = await start();
      const again = await connect(place.address);
      const back = Math.round(performance.now() - begun);
      const looking: World = { ...world, services: again.services };
      await checkAcknowledged(looking, images);
      await checkRunning(looking, place);
      if (aged) await checkCollected(looking, images, place);
      await again.close();
      const count = (book: { present(): unknown[] }) => book.present().length;
      report?.(round, {
        lived,
        back,
        images: count(ledger.images),
        blobs: count(ledger.blobs),
        snapshots: count(ledger.snapshots),
        containers: count(ledger.containers),
        tasks: count(ledger.tasks),
      });
    }
  } catch (error) {
    // Told at once: what follows may fail as well.
    console.error("chaos:", error);
    throw error;
  } finally {
    await leave(ns, place, child).catch((error) => console.error("chaos: cleaning up:", error));
    await server.stop(true);
    if (!process.env["BUNKER_KEEP"]) rmSync(dir, { recursive: true, force: true });
  }
}

/** Ends the tasks and the daemon, and takes the cgroups' common parents away. */
async function leave(ns: string, { address }: Place, child: Bun.Subprocess): Promise<void> {
  if (child.exitCode === null) {
    const { services, close } = await connect(address);
    // After a failure lanes may be at it as well.
    await until("the tasks' end", async () => {
      const left = await services.tasks.list(ns);
      for (const { containerId } of left) await endTask({ services, ns }, containerId).catch(() => {});
      return left.length === 0;
    });
    await close();
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), NOTICE);
    const code = await child.exited;
    clearTimeout(late);
    if (code !== 0) throw new Error(`containerd did not end on SIGTERM: ${code}`);
  }
  removeCgroups(ns);
}
