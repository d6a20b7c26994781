// The shim's task service; v2 and v3 have the same messages under two names. src/wire/proto/shim/task_v2.proto.
import { message } from "../codec.ts";
import { service } from "../service.ts";
import { Mount, ProcessInfo } from "./types.ts";
import { Any, Empty, Timestamp } from "./well-known.ts";

const p = "containerd.task.v2.";
const both = { id: [1, "string"], execId: [2, "string"] } as const;
const exit = { exitStatus: [2, "uint32"], exitedAt: [3, Timestamp] } as const;
const io = {
  terminal: [3, "bool"],
  stdin: [4, "string"],
  stdout: [5, "string"],
  stderr: [6, "string"],
} as const;

export const CreateTaskRequest = message(`${p}CreateTaskRequest`, {
  id: [1, "string"],
  bundle: [2, "string"],
  rootfs: [3, [Mount]],
  terminal: [4, "bool"],
  stdin: [5, "string"],
  stdout: [6, "string"],
  stderr: [7, "string"],
  checkpoint: [8, "string"],
  parentCheckpoint: [9, "string"],
  options: [10, Any],
});
export const CreateTaskResponse = message(`${p}CreateTaskResponse`, { pid: [1, "uint32"] });
export const StartRequest = message(`${p}StartRequest`, both);
export const StartResponse = message(`${p}StartResponse`, { pid: [1, "uint32"] });
export const StateRequest = message(`${p}StateRequest`, both);
export const StateResponse = message(`${p}StateResponse`, {
  id: [1, "string"],
  bundle: [2, "string"],
  pid: [3, "uint32"],
  status: [4, "enum"],
  stdin: [5, "string"],
  stdout: [6, "string"],
  stderr: [7, "string"],
  terminal: [8, "bool"],
  exitStatus: [9, "uint32"],
  exitedAt: [10, Timestamp],
  execId: [11, "string"],
});
export const WaitRequest = message(`${p}WaitRequest`, both);
export const WaitResponse = message(`${p}WaitResponse`, {
  exitStatus: [1, "uint32"],
  exitedAt: [2, Timestamp],
});
export const KillRequest = message(`${p}KillRequest`, { ...both, signal: [3, "uint32"], all: [4, "bool"] });
export const DeleteRequest = message(`${p}DeleteRequest`, both);
export const DeleteResponse = message(`${p}DeleteResponse`, { pid: [1, "uint32"], ...exit });
export const ExecProcessRequest = message(`${p}ExecProcessRequest`, { ...both, ...io, spec: [7, Any] });
export const ResizePtyRequest = message(`${p}ResizePtyRequest`, {
  ...both,
  width: [3, "uint32"],
  height: [4, "uint32"],
});
export const CloseIORequest = message(`${p}CloseIORequest`, { ...both, stdin: [3, "bool"] });
export const PidsRequest = message(`${p}PidsRequest`, { id: [1, "string"] });
export const PidsResponse = message(`${p}PidsResponse`, { processes: [1, [ProcessInfo]] });
export const StatsRequest = message(`${p}StatsRequest`, { id: [1, "string"] });
export const StatsResponse = message(`${p}StatsResponse`, { stats: [1, Any] });
export const UpdateTaskRequest = message(`${p}UpdateTaskRequest`, {
  id: [1, "string"],
  resources: [2, Any],
  annotations: [3, "map"],
});
export const PauseRequest = message(`${p}PauseRequest`, { id: [1, "string"] });
export const ResumeRequest = message(`${p}ResumeRequest`, { id: [1, "string"] });
export const CheckpointTaskRequest = message(`${p}CheckpointTaskRequest`, {
  id: [1, "string"],
  path: [2, "string"],
  options: [3, Any],
});
export const ConnectRequest = message(`${p}ConnectRequest`, { id: [1, "string"] });
export const ConnectResponse = message(`${p}ConnectResponse`, {
  shimPid: [1, "uint32"],
  taskPid: [2, "uint32"],
  version: [3, "string"],
});
export const ShutdownRequest = message(`${p}ShutdownRequest`, { id: [1, "string"], now: [2, "bool"] });

const methods = {
  create: ["Create", CreateTaskRequest, CreateTaskResponse],
  start: ["Start", StartRequest, StartResponse],
  state: ["State", StateRequest, StateResponse],
  wait: ["Wait", WaitRequest, WaitResponse],
  kill: ["Kill", KillRequest, Empty],
  delete: ["Delete", DeleteRequest, DeleteResponse],
  exec: ["Exec", ExecProcessRequest, Empty],
  resizePty: ["ResizePty", ResizePtyRequest, Empty],
  closeIO: ["CloseIO", CloseIORequest, Empty],
  pids: ["Pids", PidsRequest, PidsResponse],
  stats: ["Stats", StatsRequest, StatsResponse],
  update: ["Update", UpdateTaskRequest, Empty],
  pause: ["Pause", PauseRequest, Empty],
  resume: ["Resume", ResumeRequest, Empty],
  checkpoint: ["Checkpoint", CheckpointTaskRequest, Empty],
  connect: ["Connect", ConnectRequest, ConnectResponse],
  shutdown: ["Shutdown", ShutdownRequest, Empty],
} as const;

export const TaskV2 = service("containerd.task.v2.Task", methods);
export const TaskV3 = service("containerd.task.v3.Task", methods);
