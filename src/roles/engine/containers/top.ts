// GET /containers/{id}/top: the host's `ps` over the container's processes, as docker does it; without a ps, /proc itself.
import { readFileSync } from "node:fs";
import { childEnvironment } from "../../../self.ts";
import type { ContainerTopResponse } from "../../../spec/engine/container.ts";
import { ApiError, badRequest, conflict } from "../errors.ts";
import type { Container } from "./container.ts";
import { notRunning, onLiveTask } from "./kill.ts";
import { step } from "./mailbox.ts";
import type { Room } from "./room.ts";

/** The lines of `ps` for these pids, cut into columns. Throws when there is no PID column. */
export function parsePs(output: string, pids: ReadonlySet<number>): ContainerTopResponse {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const Titles = (lines.shift() ?? "").trim().split(/\s+/);
  const column = Titles.indexOf("PID");
  if (column < 0) throw new ApiError(500, "Couldn't find PID field in ps output");
  const Processes: string[][] = [];
  for (const line of lines) {
    const words = line.trim().split(/\s+/);
    if (!pids.has(Number(words[column]))) continue;
    // The last column (the command) may hold blanks.
    Processes.push([...words.slice(0, Titles.length - 1), words.slice(Titles.length - 1).join(" ")]);
  }
  return { Titles, Processes };
}

// Enough of `ps -ef` for a host that has none.
function fromProc(pids: readonly number[]): ContainerTopResponse {
  const Processes: string[][] = [];
  for (const pid of pids) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const value = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "?";
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
      Processes.push([value("Uid"), String(pid), value("PPid"), words || `[${value("Name")}]`]);
    } catch {
      // It ended while we looked.
    }
  }
  return { Titles: ["UID", "PID", "PPID", "CMD"], Processes };
}

export async function topContainer(
  room: Room,
  container: Container,
  psArguments: string,
): Promise<ContainerTopResponse> {
  if (!container.state.running) throw notRunning(container);
  if (container.state.restarting) {
    throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
  }
  const { engine } = room;
  const processes = await onLiveTask(
    container,
    step("task pids", engine.services.tasks.listPids(engine.namespace, container.id)),
  );
  const pids = processes.map((process) => process.pid);
  const words = (psArguments || "-ef").split(/\s+/).filter((word) => word !== "");
  let ps: ReturnType<typeof Bun.spawnSync>;
  try {
    ps = Bun.spawnSync(["ps", ...words], {
      env: childEnvironment(),
      stdout: "pipe",
      stderr: "pipe",
      timeout: 20_000,
    });
  } catch {
    if (psArguments !== "" && psArguments !== "-ef")
      throw new ApiError(500, "ps: executable file not found in $PATH");
    return fromProc(pids);
  }
  if (ps.exitCode !== 0) {
    throw badRequest(`ps: ${ps.stderr?.toString().trim() || `exit status ${ps.exitCode}`}`);
  }
  return parsePs(ps.stdout?.toString() ?? "", new Set(pids));
}
