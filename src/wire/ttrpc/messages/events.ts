// Task events and the service that takes them. src/wire/proto/{events/task,shim/events}.proto.
import { message } from "../codec.ts";
import { service } from "../service.ts";
import { ForwardRequest, Mount } from "./types.ts";
import { Empty, Timestamp } from "./well-known.ts";

const p = "containerd.events.";
const container = { containerId: [1, "string"] } as const;

export const TaskIO = message(`${p}TaskIO`, {
  stdin: [1, "string"],
  stdout: [2, "string"],
  stderr: [3, "string"],
  terminal: [4, "bool"],
});
export const TaskCreate = message(`${p}TaskCreate`, {
  ...container,
  bundle: [2, "string"],
  rootfs: [3, [Mount]],
  io: [4, TaskIO],
  checkpoint: [5, "string"],
  pid: [6, "uint32"],
});
export const TaskStart = message(`${p}TaskStart`, { ...container, pid: [2, "uint32"] });
export const TaskExecAdded = message(`${p}TaskExecAdded`, { ...container, execId: [2, "string"] });
export const TaskExecStarted = message(`${p}TaskExecStarted`, {
  ...container,
  execId: [2, "string"],
  pid: [3, "uint32"],
});
export const TaskPaused = message(`${p}TaskPaused`, container);
export const TaskResumed = message(`${p}TaskResumed`, container);
export const TaskOOM = message(`${p}TaskOOM`, container);
export const TaskExit = message(`${p}TaskExit`, {
  ...container,
  id: [2, "string"],
  pid: [3, "uint32"],
  exitStatus: [4, "uint32"],
  exitedAt: [5, Timestamp],
});
export const TaskDelete = message(`${p}TaskDelete`, {
  ...container,
  pid: [2, "uint32"],
  exitStatus: [3, "uint32"],
  exitedAt: [4, Timestamp],
  id: [5, "string"],
});

/** Topic → its event message. */
export const TOPICS = {
  "/tasks/create": TaskCreate,
  "/tasks/start": TaskStart,
  "/tasks/exec-added": TaskExecAdded,
  "/tasks/exec-started": TaskExecStarted,
  "/tasks/paused": TaskPaused,
  "/tasks/resumed": TaskResumed,
  "/tasks/oom": TaskOOM,
  "/tasks/exit": TaskExit,
  "/tasks/delete": TaskDelete,
} as const;
export type Topic = keyof typeof TOPICS;

export const Events = service("containerd.services.events.ttrpc.v1.Events", {
  forward: ["Forward", ForwardRequest, Empty],
});
