// /swarm and what hangs on it: init, inspect, update, leave. Services are refused, and so is every other node.
import { networkInterfaces } from "node:os";
import { Hono } from "hono";
import { z } from "zod";
import { boolean as goBoolean, string } from "../../../spec/engine/go-json.ts";
import type { Engine } from "../engine.ts";
import { badRequest, conflict, notFound, notImplemented, unavailable } from "../errors.ts";
import { boolean, integer, type RouteContext, type RouteEnv, readBody } from "../server/request.ts";
import { checkVersion, type Swarm } from "./cluster.ts";
import { newToken } from "./ids.ts";
import { keepingRoutes } from "./keeping.ts";
import { nodeRoutes } from "./nodes.ts";

const part = z.looseObject({}).nullish();
const spec = z.object({
  Name: string,
  Labels: z.record(z.string(), z.string()).nullish(),
  Orchestration: part,
  Raft: part,
  Dispatcher: part,
  CAConfig: part,
  EncryptionConfig: z.object({ AutoLockManagers: goBoolean }).nullish(),
});
const initRequest = z.object({
  ListenAddr: string,
  AdvertiseAddr: string,
  ForceNewCluster: goBoolean,
  AutoLockManagers: goBoolean,
  Spec: spec.nullish(),
});

/** Settings with swarmkit's own where none were given. */
function complete(given: z.output<typeof spec> | null | undefined) {
  if (given?.EncryptionConfig?.AutoLockManagers) {
    throw notImplemented(
      "locking managers (autolock) is not implemented: the swarm's state is protected by its file's mode",
    );
  }
  return {
    Name: given?.Name || "default",
    Labels: given?.Labels ?? {},
    Orchestration: { TaskHistoryRetentionLimit: 5, ...given?.Orchestration },
    Raft: {
      SnapshotInterval: 10_000,
      KeepOldSnapshots: 0,
      LogEntriesForSlowFollowers: 500,
      ElectionTick: 10,
      HeartbeatTick: 1,
      ...given?.Raft,
    },
    Dispatcher: { HeartbeatPeriod: 5_000_000_000, ...given?.Dispatcher },
    CAConfig: { NodeCertExpiry: 7_776_000_000_000_000, ...given?.CAConfig },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: false },
  };
}

/** The address that is given, or one of this host's own. */
function advertised(text: string): string {
  const interfaces = networkInterfaces();
  const host = text.replace(/:\d+$/, "");
  if (host !== "" && host !== "0.0.0.0") {
    return interfaces[host]?.find(({ family }) => family === "IPv4")?.address ?? host;
  }
  const own = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  return own.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}

function shown(swarm: Swarm) {
  const { ID, Version, CreatedAt, UpdatedAt, Spec, worker, manager } = swarm.active.cluster;
  return {
    ID,
    Version: { Index: Version },
    CreatedAt,
    UpdatedAt,
    Spec,
    TLSInfo: {},
    RootRotationInProgress: false,
    DefaultAddrPool: null,
    SubnetSize: 0,
    DataPathPort: 0,
    JoinTokens: { Worker: worker, Manager: manager },
  };
}

async function update(swarm: Swarm, c: RouteContext): Promise<Response> {
  const { cluster } = swarm.active;
  const version = integer(c.req.query("version"), "version");
  if (version === undefined) throw badRequest("invalid swarm version ''");
  const body = await readBody(c, spec, "Spec");
  if (body.Name !== "" && body.Name !== cluster.Spec.Name) {
    throw badRequest("rpc error: code = InvalidArgument desc = the swarm cannot be renamed");
  }
  checkVersion(cluster, version);
  const Spec = complete(body);
  swarm.change((next, index, now) => {
    Object.assign(next.cluster, { Spec, Version: index, UpdatedAt: now });
    if (boolean(c.req.query("rotateWorkerToken"))) next.cluster.worker = newToken(cluster.ID);
    if (boolean(c.req.query("rotateManagerToken"))) next.cluster.manager = newToken(cluster.ID);
  });
  return c.body(null, 200);
}

const NO_SERVICES = "services are not implemented: run containers, or `docker compose`";

export function swarmRoutes(engine: Engine): Hono<RouteEnv> {
  const { swarm } = engine;
  const app = new Hono<RouteEnv>();
  app.get("/swarm", (c) => c.json(shown(swarm)));
  app.post("/swarm/init", async (c) => {
    const body = await readBody(c, initRequest, "InitRequest");
    if (body.ForceNewCluster && swarm.current) return c.json(swarm.current.node.ID);
    if (body.AutoLockManagers)
      body.Spec = { ...spec.parse({}), ...body.Spec, EncryptionConfig: { AutoLockManagers: true } };
    if (body.ListenAddr === "") throw badRequest("must specify a listening address or interface");
    return c.json(swarm.init(advertised(body.AdvertiseAddr || body.ListenAddr), complete(body.Spec)));
  });
  app.post("/swarm/join", () => {
    throw notImplemented("joining a swarm is not implemented: this engine's swarm is itself alone");
  });
  app.post("/swarm/leave", (c) => {
    if (!swarm.current) throw unavailable("This node is not part of a swarm");
    if (!boolean(c.req.query("force"))) {
      throw unavailable(
        "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. ",
      );
    }
    swarm.leave();
    return c.body(null, 200);
  });
  app.post("/swarm/update", (c) => update(swarm, c));
  app.get("/swarm/unlockkey", (c) => c.json({ UnlockKey: swarm.active && "" }));
  app.post("/swarm/unlock", () => {
    if (!swarm.current) throw unavailable("This node is not part of a swarm");
    throw conflict("swarm is not locked");
  });
  app.route("/", nodeRoutes(engine));
  for (const noun of ["secret", "config"] as const) app.route("/", keepingRoutes(swarm, noun));
  for (const noun of ["service", "task"]) {
    const none = (c: RouteContext): never => {
      void swarm.active;
      throw notFound(`${noun} ${c.req.param("id")} not found`);
    };
    // None can be made, so there are none.
    app.get(`/${noun}s`, (c) => c.json(swarm.active && []));
    app.post(`/${noun}s/create`, (): never => {
      void swarm.active;
      throw notImplemented(NO_SERVICES);
    });
    app.all(`/${noun}s/:id`, none);
    app.all(`/${noun}s/:id/*`, none);
  }
  return app;
}
