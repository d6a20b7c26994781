// What version an OCI runtime is: ours says so itself, others are asked once (`runc --version`).
import { log } from "../../../observe/log.ts";
import { childEnvironment } from "../../../self.ts";
import { commit, version } from "../../../version.ts";
import type { Runtime } from "../engine.ts";

export interface RuntimeVersion {
  name: string;
  version: string;
  commit: string;
}

const asked = new Map<string, Promise<RuntimeVersion>>();
const TIMEOUT_MS = 2000;

/** "runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: …", or crun's "crun version 1.8.1\ncommit: f8a0…" */
export function parseRuntimeVersion(text: string, fallback: string): RuntimeVersion {
  const first = /^(\S+) version (\S+)/m.exec(text);
  const revision = /^commit: (\S+)/m.exec(text);
  return { name: first?.[1] ?? fallback, version: first?.[2] ?? "N/A", commit: revision?.[1] ?? "N/A" };
}

async function ask(runtime: Runtime): Promise<RuntimeVersion> {
  try {
    const child = Bun.spawn([runtime.binary, "--version"], {
      env: childEnvironment(),
      stdin: "ignore",
      stderr: "ignore",
      timeout: TIMEOUT_MS,
    });
    return parseRuntimeVersion(await new Response(child.stdout).text(), runtime.name);
  } catch (error) {
    log("warning", "Failed to retrieve the runtime's version", { runtime: runtime.name, error });
    return { name: runtime.name, version: "N/A", commit: "N/A" };
  }
}

export function runtimeVersion(runtime: Runtime): Promise<RuntimeVersion> {
  if (runtime.binary === "") return Promise.resolve({ name: runtime.name, version, commit });
  let answer = asked.get(runtime.binary);
  if (!answer) {
    answer = ask(runtime);
    asked.set(runtime.binary, answer);
  }
  return answer;
}
