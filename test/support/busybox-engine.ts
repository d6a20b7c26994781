// An engine with the busybox image in it, and its API spoken to directly.
import { built } from "./binary.ts";
import { type Engine, startEngine } from "./engine.ts";
import { busyboxImage } from "./images.ts";
import { makeNetns } from "./netns.ts";
import { startRegistry } from "./registry.ts";

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any;
}

export interface BusyboxEngine extends AsyncDisposable {
  engine: Engine;
  /** One request to the engine's socket; objects are sent as JSON. */
  api(method: string, path: string, body?: object | Uint8Array): Promise<Answer>;
  /** The raw answer, for streams. */
  raw(method: string, path: string, init?: RequestInit): Promise<Response>;
  /** Creates and starts a container of busybox; its id. */
  run(name: string, command: string[], own?: object): Promise<string>;
}

/** @param behind as startEngine's */
export async function busyboxEngine(args: string[] = [], behind?: string[]): Promise<BusyboxEngine> {
  const netns = await makeNetns();
  const registry = await startRegistry(netns);
  await registry.push(await busyboxImage(), "busybox:latest");
  const engine = await startEngine(netns, { args, ...(behind ? { behind } : {}) });
  const pulled = await engine.docker(["pull", "-q", `${registry.address}/busybox`]);
  if (pulled.code !== 0) throw new Error(pulled.stderr);
  await engine.docker(["tag", `${registry.address}/busybox`, "busybox"]);
  await registry[Symbol.asyncDispose]();
  const socket = engine.host.slice("unix://".length);
  const raw = (method: string, path: string, init: RequestInit = {}) =>
    fetch(`http://docker${path}`, { ...init, method, unix: socket } as RequestInit);
  const api = async (method: string, path: string, body?: object | Uint8Array): Promise<Answer> => {
    const bytes = body instanceof Uint8Array;
    const answer = await raw(method, path, {
      ...(body === undefined
        ? {}
        : { body: bytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
      headers: body && !bytes ? { "Content-Type": "application/json" } : {},
    });
    const text = await answer.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {}
    return { status: answer.status, headers: answer.headers, text, json };
  };
  return {
    engine,
    raw,
    api,
    async run(name, command, own = {}) {
      const created = await api("POST", `/containers/create?name=${name}`, {
        Image: "busybox",
        Cmd: command,
        ...own,
      });
      if (created.status !== 201) throw new Error(created.text);
      const { Id } = created.json as { Id: string };
      const started = await api("POST", `/containers/${Id}/start`);
      if (started.status !== 204) throw new Error(started.text);
      return Id;
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await netns[Symbol.asyncDispose]();
    },
  };
}

/** Why tests that need one cannot run here; undefined when they can. */
export const noBusyboxEngine: string | undefined = !built
  ? "dist/bunker is not built"
  : !Bun.which("docker-registry")
    ? "docker-registry is not installed"
    : undefined;
