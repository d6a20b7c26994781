// At boot: the bundles of a former run. A living shim is connected to again, a dead one is cleaned up after, and what a
// creation that was cut short has made goes.
import { realpathSync } from "node:fs";
import { log } from "../../../observe/log.ts";
import { ServiceError, type TaskExit } from "../../../wire/containerd/services.ts";
import { type Bundle, leftBundles } from "./bundle.ts";
import { endProcessesIn } from "./leftover.ts";
import { deleteDead, QUICK, Shim, type ShimSurroundings } from "./shim.ts";

export interface Restoring {
  /** containerd's state directory. */
  state: string;
  around: ShimSurroundings;
  bundle(namespace: string, id: string, path: string): Bundle;
  /** A shim that has its container. */
  register(shim: Shim): void;
  /** Cleans up after a dead shim and tells of its container's end. */
  bury(namespace: string, id: string, runtime: string, bundle: Bundle): Promise<TaskExit>;
  /** How a container ended whose shim died while nobody looked. */
  remember(namespace: string, id: string, exit: TaskExit): void;
}

/** Resolves when every bundle was looked at. One that cannot be dealt with is logged and left. */
export async function restoreTasks(on: Restoring): Promise<void> {
  await Promise.all(
    leftBundles(on.state).map(async ([namespace, id, path]) => {
      try {
        await restoreOne(on, namespace, id, on.bundle(namespace, id, path));
      } catch (error) {
        log("error", "a task could not be restored", { namespace, id, error });
      }
    }),
  );
}

async function restoreOne(on: Restoring, namespace: string, id: string, bundle: Bundle): Promise<void> {
  const saved = bundle.saved();
  if (!saved) {
    // Its creation was cut short before a shim's answer was noted; the shim may be there all the same.
    const runtime = bundle.intended();
    if (runtime !== undefined && bundle.exists) {
      const ended = await endProcessesIn(realpathSync(bundle.path));
      if (ended > 0) await deleteDead(namespace, id, runtime, bundle, on.around);
    }
    bundle.remove();
    return;
  }
  let shim: Shim;
  try {
    shim = await Shim.find(namespace, id, bundle);
  } catch (error) {
    log("info", "cleaning up after a dead shim", { namespace, id, error });
    on.remember(namespace, id, await on.bury(namespace, id, saved.runtime, bundle));
    return;
  }
  // A shim that created nothing is the rest of a creation that was cut short.
  const state = await shim.task.state({ id }, { timeout: QUICK }).catch((error: unknown) => {
    if (error instanceof ServiceError && error.code === "NotFound") return undefined;
    throw error;
  });
  if (!state) {
    await shim.shutdown();
    await on.bury(namespace, id, saved.runtime, bundle);
    return;
  }
  on.register(shim);
}
