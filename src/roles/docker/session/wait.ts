// The container's end, asked for before it starts so that none is missed.

import type { ContainerWaitResponse } from "../../../spec/engine/container.ts";
import type { EngineClient } from "../../../wire/engine/client.ts";

export interface Exit {
  code: number;
  /** The engine's complaint instead of a code. */
  error?: string;
}

/** Begins to wait; when the outer promise resolves the engine is waiting, when the inner one does the container has ended. */
export async function beginWait(
  client: EngineClient,
  id: string,
  condition: "not-running" | "next-exit" | "removed",
  signal?: AbortSignal,
): Promise<{ exit: Promise<Exit> }> {
  const response = await client.request("POST", `/containers/${encodeURIComponent(id)}/wait`, {
    query: { condition },
    signal,
  });
  const exit = response.text().then((text): Exit => {
    const answer = JSON.parse(text) as ContainerWaitResponse;
    return { code: answer.StatusCode, error: answer.Error?.Message || undefined };
  });
  // Looked at only if the container starts.
  exit.catch(() => {});
  return { exit };
}
