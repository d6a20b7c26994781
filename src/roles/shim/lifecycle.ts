// The life of a process in the shim, as a table: state × event → the next state, or the words of the refusal.
// Words as containerd's runc shim says them (callers match some). README.md shows the table; test/shim/lifecycle.test.ts
// walks every cell and holds the README to it.
import { ServiceError } from "../../wire/containerd/services.ts";

/** A cell: the state that follows, or a refusal. */
type Cell<S extends string> = { to: S } | { refuse: string; as: "FailedPrecondition" | "NotFound" };
type Table<S extends string, E extends string> = Readonly<Record<S, Readonly<Record<E, Cell<S>>>>>;

const to = <S extends string>(state: S): Cell<S> => ({ to: state });
const no = (refuse: string): Cell<never> => ({ refuse, as: "FailedPrecondition" });
const gone = (refuse: string): Cell<never> => ({ refuse, as: "NotFound" });

export type InitState = "created" | "running" | "paused" | "stopped" | "deleted";
export type InitEvent =
  | "start"
  | "pause"
  | "resume"
  | "update"
  | "checkpoint"
  | "exec"
  | "kill"
  | "delete"
  | "exit";

/** The container's first process. An event that is no request, `exit`, is what SIGCHLD told. */
export const INIT: Table<InitState, InitEvent> = {
  created: {
    start: to("running"),
    pause: no("cannot pause task in created state"),
    resume: no("cannot resume task in created state"),
    update: to("created"),
    checkpoint: no("cannot checkpoint a task in created state"),
    exec: to("created"),
    kill: to("created"),
    delete: to("deleted"),
    exit: to("stopped"),
  },
  running: {
    start: no("cannot start a running process"),
    pause: to("paused"),
    resume: no("cannot resume a running process"),
    update: to("running"),
    checkpoint: to("running"),
    exec: to("running"),
    kill: to("running"),
    delete: no("cannot delete a running process"),
    exit: to("stopped"),
  },
  paused: {
    start: no("cannot start a paused process"),
    pause: no("cannot pause a paused container"),
    resume: to("running"),
    update: to("paused"),
    checkpoint: to("paused"),
    exec: no("cannot exec in a paused state"),
    kill: to("paused"),
    delete: no("cannot delete a paused process"),
    exit: to("stopped"),
  },
  stopped: {
    start: no("cannot start a stopped process"),
    pause: no("cannot pause a stopped container"),
    resume: no("cannot resume a stopped container"),
    update: no("cannot update a stopped container"),
    checkpoint: no("cannot checkpoint a stopped container"),
    exec: no("cannot exec in a stopped state"),
    kill: gone("process already finished"),
    delete: to("deleted"),
    exit: to("stopped"),
  },
  deleted: {
    start: no("cannot start a deleted process"),
    pause: no("cannot pause a deleted process"),
    resume: no("cannot resume a deleted process"),
    update: no("cannot update a deleted process"),
    checkpoint: no("cannot checkpoint a deleted process"),
    exec: no("cannot exec in a deleted state"),
    kill: gone("cannot kill a deleted process"),
    delete: gone("cannot delete a deleted process"),
    exit: to("deleted"),
  },
};

export type ExecState = "created" | "running" | "stopped" | "deleted";
export type ExecEvent = "start" | "resize" | "kill" | "delete" | "exit";

/** A further process in the container. */
export const EXEC: Table<ExecState, ExecEvent> = {
  created: {
    start: to("running"),
    resize: to("created"),
    kill: no("process not created"),
    delete: to("deleted"),
    exit: to("stopped"),
  },
  running: {
    start: no("cannot start a running process"),
    resize: to("running"),
    kill: to("running"),
    delete: no("cannot delete a running process"),
    exit: to("stopped"),
  },
  stopped: {
    start: no("cannot start a stopped process"),
    resize: no("cannot resize a stopped container"),
    kill: gone("process already finished"),
    delete: to("deleted"),
    exit: to("stopped"),
  },
  deleted: {
    start: no("cannot start a deleted process"),
    resize: no("cannot resize a deleted process"),
    kill: gone("cannot kill a deleted process"),
    delete: gone("cannot delete a deleted process"),
    exit: to("deleted"),
  },
};

/** The state that follows. Throws ServiceError with the table's words when the event is refused. */
export function next<S extends string, E extends string>(table: Table<S, E>, state: S, event: E): S {
  const cell = table[state][event];
  if ("to" in cell) return cell.to;
  throw new ServiceError(cell.as, cell.refuse);
}
