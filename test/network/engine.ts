// A process that holds the engine's networks, for tests: reads {method, args} lines from stdin, answers {ok} or {error} lines.
// It runs inside a network namespace of the test's own, and can be killed like an engine.
import { createInterface } from "node:readline";
import { createNetworks, type NetworkError, type Networks } from "../../src/roles/engine/network/index.ts";

const networks = createNetworks(JSON.parse(process.argv[2]!));

type Call = { method: keyof Networks | "timed"; args: unknown[] };

async function call({ method, args }: Call): Promise<unknown> {
  if (method === "start") return networks.start(new Set(args[0] as string[]));
  if (method === "timed") {
    const [request, netns] = args as [Parameters<Networks["allocate"]>[0], string];
    const start = performance.now();
    const endpoint = await networks.allocate(request);
    const allocated = performance.now();
    await networks.attach(endpoint.endpointId, netns);
    return { endpoint, allocate: allocated - start, attach: performance.now() - allocated };
  }
  return (networks[method] as (...values: unknown[]) => unknown)(...args);
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer: object;
  try {
    answer = { ok: (await call(JSON.parse(line) as Call)) ?? null };
  } catch (error) {
    const { message, status } = error as NetworkError;
    answer = { error: { message, status } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

process.exit(0);
