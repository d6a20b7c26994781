// What builds leave when the engine ends under them: their contexts, and the containers of their steps, which run on.
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import { undoMounts } from "../../../wire/containerd/mounting.ts";
import { roomOf } from "../containers/index.ts";
import { removeContainer } from "../containers/remove.ts";
import type { Engine } from "../engine.ts";

/** A directory for each build. */
export const buildsDirectory = (dataRoot: string): string => join(dataRoot, "tmp", "builds");

/** Secrets of steps that run, a directory for each build. */
export const secretsDirectory = (execRoot: string): string => join(execRoot, "build-secrets");

const MARK = "container-";

/** Notes in the build's directory that a container is its own, for as long as its step runs. */
export function markContainer(scratch: string, id: string): Disposable {
  const path = join(scratch, `${MARK}${id}`);
  writeFileSync(path, "");
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

/** At the engine's start, when no build can be under way. Never throws. */
export async function clearLeftovers(engine: Engine): Promise<void> {
  rmSync(secretsDirectory(engine.config.execRoot), { recursive: true, force: true });
  const all = buildsDirectory(engine.config.dataRoot);
  if (!existsSync(all)) return;
  try {
    for (const name of readdirSync(all)) {
      for (const file of readdirSync(join(all, name))) {
        if (file.startsWith(MARK)) await clearContainer(engine, file.slice(MARK.length));
        // Before anything is removed below it.
        if (file.startsWith("mount-")) undoMounts(join(all, name, file, "tree"));
      }
    }
    rmSync(all, { recursive: true, force: true });
  } catch (error) {
    log("error", "what an interrupted build left cannot be cleared", { path: all, error });
  }
}

async function clearContainer(engine: Engine, id: string): Promise<void> {
  const room = roomOf(engine);
  if (!room.registry.has(id)) return;
  log("info", "Removing the container of a build that the last engine did not finish", { container: id });
  await removeContainer(room, room.registry.get(id), { force: true, volumes: true });
}
