// A container's scope from its start to its end. systemd makes a scope around a process that exists, while the launcher is
// born in its cgroup: so a process of a few KB holds the place until the container's own is there.
import { arch } from "../../../../ffi/arch/index.ts";
import { pidfdWait } from "../../../../ffi/poll.ts";
import { pidfdOpen } from "../../../../ffi/process.ts";
import { Plan } from "../../../launcher/plan.ts";
import { pipe, spawnPlan } from "../../../launcher/spawn.ts";
import type { Config, Resources } from "../../../spec/oci/runtime.ts";
import type { Cgroups } from "../cgroup/hierarchy.ts";
import type { CgroupPaths } from "../cgroup/paths.ts";
import { Manager } from "./manager.ts";
import { annotatedProperties, deviceProperties, resourceProperties } from "./properties.ts";
import { type Unit, unitCgroups, unitOf } from "./unit.ts";

export interface Scope {
  unit: Unit;
  paths: CgroupPaths;
  /** Starts it, with a process in it that keeps it until the container's own is there. */
  start(resources: Resources): Disposable;
}

/** The unit a container will be, and its cgroups. Throws where there is no systemd. */
export function planScope(config: Config, id: string, cgroups: Cgroups, user: boolean): Scope {
  const unit = unitOf(config.linux?.cgroupsPath, id, user);
  using manager = new Manager(user);
  return {
    unit,
    paths: unitCgroups(cgroups, unit, user ? manager.controlGroup() : ""),
    start: (resources) => startScope(unit, config, resources, cgroups),
  };
}

function startScope(unit: Unit, config: Config, resources: Resources, cgroups: Cgroups): Disposable {
  using manager = new Manager(unit.user);
  const holder = holdPlace();
  try {
    manager.start(
      unit,
      [holder.pid],
      [
        ...resourceProperties(resources, cgroups.mode === "v2"),
        ...deviceProperties(resources.devices ?? []),
        ...annotatedProperties(config.annotations),
      ],
    );
    return holder;
  } catch (error) {
    holder[Symbol.dispose]();
    throw error;
  }
}

/** A process that waits for the end of a pipe: it goes with us at the latest. */
function holdPlace(): Disposable & { pid: number } {
  const until = pipe("the scope's holder");
  const plan = new Plan("hold a scope", arch);
  plan.call("read", [0, plan.bytes("", new Uint8Array(8)), 1], { tolerate: "any" });
  plan.call("exit_group", [0]);
  const running = spawnPlan(plan, { stdio: [until.readEnd.number, 1, 2], argv0: "runc:[SCOPE]" });
  until.readEnd.close();
  return {
    pid: running.pid,
    [Symbol.dispose]: () => {
      using process = pidfdOpen(running.pid);
      until.writeEnd.close();
      running.close();
      // A cgroup with a process in it, even one that is just ending, could not be removed.
      if (process) pidfdWait(process, 1000);
    },
  };
}

/** Tells systemd of limits that were changed. */
export function updateScope(unit: Unit, resources: Resources, v2: boolean): void {
  using manager = new Manager(unit.user);
  manager.setProperties(unit.name, resourceProperties(resources, v2));
}

/** Stops the unit of a container whose processes have ended. */
export function stopScope(unit: Unit): void {
  using manager = new Manager(unit.user);
  manager.stop(unit.name);
}

/** Stops the unit of a launch that failed: that failure is what counts, not one of this. */
export function abandonScope(unit: Unit): void {
  try {
    stopScope(unit);
  } catch {
    // systemd collects a scope without processes by itself.
  }
}
