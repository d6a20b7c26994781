// A shim's answers as the tasks service gives them, and the events that a dead shim can no longer send.
import type { Events, TaskExit, TaskProcess, TaskStatus } from "../../../wire/containerd/services.ts";
import { encode, type Message } from "../../../wire/ttrpc/codec.ts";
import { TOPICS } from "../../../wire/ttrpc/messages/events.ts";
import type { DeleteResponse, StateResponse } from "../../../wire/ttrpc/messages/task.ts";
import { STATUS } from "../../../wire/ttrpc/messages/types.ts";
import { dateOf, timestamp } from "../../../wire/ttrpc/messages/well-known.ts";

const STATUS_NAMES = Object.fromEntries(
  Object.entries(STATUS).map(([name, number]) => [number, name]),
) as Record<number, TaskStatus>;

export function processOf(state: Message<typeof StateResponse>): TaskProcess {
  const { id, execId, pid, status, stdin, stdout, stderr, terminal, exitStatus, exitedAt } = state;
  const common = { containerId: id, id: execId, pid, status: STATUS_NAMES[status] ?? "UNKNOWN" };
  return { ...common, stdin, stdout, stderr, terminal, exitStatus, exitedAt: dateOf(exitedAt) };
}

export function exitOf({ pid, exitStatus, exitedAt }: Message<typeof DeleteResponse>): TaskExit {
  return { pid, exitStatus, exitedAt: dateOf(exitedAt) ?? new Date(0) };
}

/** A task whose shim does not answer, in a list. */
export function unknownProcess(containerId: string): TaskProcess {
  const io = { stdin: "", stdout: "", stderr: "", terminal: false };
  return { containerId, id: "", pid: 0, status: "UNKNOWN", ...io, exitStatus: 0 };
}

/** TaskExit and TaskDelete for a container whose shim died. */
export async function publishEnd(
  events: Events,
  namespace: string,
  id: string,
  exit: TaskExit,
): Promise<void> {
  const { pid, exitStatus } = exit;
  const exitedAt = timestamp(exit.exitedAt.getTime());
  const publish = (topic: keyof typeof TOPICS, value: Uint8Array) =>
    events.publish(namespace, topic, { typeUrl: TOPICS[topic].name, value });
  await publish(
    "/tasks/exit",
    encode(TOPICS["/tasks/exit"], { containerId: id, id, pid, exitStatus, exitedAt }),
  );
  await publish(
    "/tasks/delete",
    encode(TOPICS["/tasks/delete"], { containerId: id, pid, exitStatus, exitedAt }),
  );
}
