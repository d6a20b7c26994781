// Swarm mode of one node: what is kept in it survives the engine, what it cannot do is refused.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { makeNetns, type Netns } from "../support/netns.ts";

const why = built ? undefined : "dist/bunker is not built";

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the API's own JSON
  body: any;
}

describe.skipIf(why !== undefined)(why ? `swarm (skipped: ${why})` : "swarm", () => {
  let netns: Netns;
  let engine: Engine;

  beforeAll(async () => {
    netns = await makeNetns();
    engine = await startEngine(netns);
  }, 60_000);
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
  }, 60_000);

  async function call(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`http://docker${path}`, {
      method,
      unix: engine.host.replace("unix://", ""),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    } as RequestInit);
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }
  const data = Buffer.from("top secret").toString("base64");

  test("begins, is told of, is changed only by who has seen the last change, ends", async () => {
    expect((await call("GET", "/swarm")).status).toBe(503);
    expect((await call("POST", "/swarm/leave")).body.message).toBe("This node is not part of a swarm");
    expect((await call("POST", "/swarm/init", {})).status).toBe(400);
    const init = { ListenAddr: "0.0.0.0:2377", Spec: { Labels: { a: "b" } } };
    const { status, body: nodeId } = await call("POST", "/swarm/init", init);
    expect(status).toBe(200);
    expect(nodeId).toMatch(/^[0-9a-z]{25}$/);
    expect((await call("POST", "/swarm/init", init)).status).toBe(503);
    const { Swarm } = (await call("GET", "/info")).body;
    expect(Swarm).toMatchObject({
      NodeID: nodeId,
      LocalNodeState: "active",
      ControlAvailable: true,
      Nodes: 1,
    });
    const [node] = (await call("GET", "/nodes")).body;
    expect(node).toMatchObject({ ID: nodeId, Spec: { Role: "manager" }, ManagerStatus: { Leader: true } });
    expect((await call("DELETE", `/nodes/${nodeId}`)).status).toBe(400);

    const { body: first } = await call("GET", "/swarm");
    expect(first.Spec.Labels).toEqual({ a: "b" });
    expect(first.JoinTokens.Worker).toMatch(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
    const path = `/swarm/update?version=${first.Version.Index}&rotateWorkerToken=true`;
    const changed = { ...first.Spec, Labels: { c: "d" } };
    expect((await call("POST", path, changed)).status).toBe(200);
    expect((await call("POST", path, changed)).body.message).toContain("update out of sequence");
    const { body: second } = await call("GET", "/swarm");
    expect(second.Spec.Labels).toEqual({ c: "d" });
    expect(second.JoinTokens.Worker).not.toBe(first.JoinTokens.Worker);
    expect(second.JoinTokens.Manager).toBe(first.JoinTokens.Manager);

    expect((await call("POST", "/swarm/leave")).status).toBe(503);
    expect((await call("POST", "/swarm/leave?force=1")).status).toBe(200);
    expect((await call("GET", "/secrets")).status).toBe(503);
  });

  test("secrets and configs outlive a kill -9; a secret's bytes are never shown", async () => {
    await call("POST", "/swarm/init", { ListenAddr: "0.0.0.0" });
    const { status, body } = await call("POST", "/secrets/create", {
      Name: "key",
      Labels: { a: "1" },
      Data: data,
    });
    expect(status).toBe(201);
    expect((await call("POST", "/secrets/create", { Name: "key", Data: data })).status).toBe(409);
    expect((await call("POST", "/secrets/create", { Name: "-", Data: data })).status).toBe(400);
    expect((await call("POST", "/secrets/create", { Name: "empty" })).status).toBe(400);
    expect((await call("POST", "/configs/create", { Name: "conf", Data: data })).status).toBe(201);
    await engine.kill();
    await engine.start();
    const { body: secret } = await call("GET", "/secrets/key");
    expect(secret).toMatchObject({ ID: body.ID, Spec: { Name: "key", Labels: { a: "1" } } });
    expect(JSON.stringify(secret)).not.toContain(data);
    expect((await call("GET", "/configs/conf")).body.Spec.Data).toBe(data);
    expect(statSync(join(engine.dataRoot, "swarm/state.json")).mode & 0o777).toBe(0o600);

    const path = `/secrets/${body.ID}/update?version=${secret.Version.Index}`;
    expect((await call("POST", path, { Name: "key", Data: "b3RoZXI=" })).status).toBe(400);
    expect((await call("POST", path, { Name: "key", Labels: { b: "2" } })).status).toBe(200);
    const filters = encodeURIComponent(JSON.stringify({ label: ["b=2"] }));
    expect((await call("GET", `/secrets?filters=${filters}`)).body).toHaveLength(1);
    expect((await call("DELETE", "/secrets/key")).status).toBe(204);
    expect((await call("GET", "/secrets/key")).status).toBe(404);
  }, 60_000);

  test("services and other nodes are refused", async () => {
    expect((await call("GET", "/services")).body).toEqual([]);
    const service = await call("POST", "/services/create", { Name: "s" });
    expect(service.status).toBe(501);
    expect(service.body.message).toContain("services are not implemented");
    expect((await call("GET", "/services/s")).status).toBe(404);
    expect((await call("POST", "/swarm/join", {})).status).toBe(501);
    const locked = { ListenAddr: "0.0.0.0", AutoLockManagers: true };
    await call("POST", "/swarm/leave?force=1");
    expect((await call("POST", "/swarm/init", locked)).status).toBe(501);
  });
});
