// Tasks whose shim died while no containerd was there: cleaned up after at the start, before anybody could hear of it. They are
// shown as stopped, with their exit, until somebody deletes them or makes a new task of that id.
import type { TaskExit, TaskProcess } from "../../../wire/containerd/services.ts";

const IO = { stdin: "", stdout: "", stderr: "", terminal: false };

export class Buried {
  #exits = new Map<string, TaskExit & { namespace: string; id: string }>();

  add(namespace: string, id: string, exit: TaskExit): void {
    this.#exits.set(`${namespace}/${id}`, { ...exit, namespace, id });
  }

  exit(namespace: string, id: string): TaskExit | undefined {
    return this.#exits.get(`${namespace}/${id}`);
  }

  /** Forgets it; its exit for the last time. */
  take(namespace: string, id: string): TaskExit | undefined {
    const exit = this.exit(namespace, id);
    this.#exits.delete(`${namespace}/${id}`);
    return exit;
  }

  of(namespace: string): TaskProcess[] {
    return [...this.#exits.values()]
      .filter((each) => each.namespace === namespace)
      .map(({ id, pid, exitStatus, exitedAt }) => ({
        ...{ containerId: id, id: "", pid, status: "STOPPED" as const, ...IO, exitStatus, exitedAt },
      }));
  }
}
