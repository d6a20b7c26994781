// /containers, but for attach, which is hijacked.
import { Hono } from "hono";
import { containerCreate } from "../../../spec/engine/container.ts";
import { containerUpdate } from "../../../spec/engine/host-config.ts";
import type { Engine } from "../engine.ts";
import { ApiError, badRequest, toApiError } from "../errors.ts";
import { anySignal } from "../server/any-signal.ts";
import { MULTIPLEXED_STREAM, RAW_STREAM } from "../server/hijack.ts";
import { boolean, Filters, integer, type RouteContext, type RouteEnv, readBody } from "../server/request.ts";
import { streamBytes, streamJson } from "../server/stream.ts";
import { atLeast } from "../server/version.ts";
import { cgroupFacts } from "../system/host.ts";
import { archiveRoutes } from "./archive/routes.ts";
import { resizeContainer } from "./attach.ts";
import { containerChanges } from "./changes.ts";
import { createContainer } from "./create.ts";
import { exportContainer } from "./export.ts";
import { roomOf } from "./index.ts";
import { addOldAliases, inspectContainer } from "./inspect.ts";
import { killContainer } from "./kill.ts";
import { removeLink } from "./legacy-links.ts";
import { listContainers } from "./list.ts";
import { checkLogs, type LogsRequest, writeLogs } from "./logs.ts";
import { createFor, updateFor } from "./older-clients.ts";
import { pauseContainer, unpauseContainer } from "./pause.ts";
import { pruneContainers } from "./prune.ts";
import { removeContainer } from "./remove.ts";
import { renameContainer } from "./rename.ts";
import { startContainer } from "./start.ts";
import type { WaitCondition } from "./state.ts";
import { writeStats } from "./stats/stats.ts";
import { restartContainer, type StopOptions, stopContainer } from "./stop.ts";
import { topContainer } from "./top.ts";
import { updateContainer } from "./update.ts";

const since = (c: RouteContext, version: string): boolean => atLeast(c.get("apiVersion"), version);

const CONDITIONS: ReadonlySet<string> = new Set(["not-running", "next-exit", "removed"]);

function stopOptions(c: RouteContext): StopOptions {
  const signal = since(c, "1.42") ? c.req.query("signal") : undefined;
  const timeout = integer(c.req.query("t"), "t");
  return { ...(signal ? { signal } : {}), ...(timeout === undefined ? {} : { timeout }) };
}

function logsRequest(c: RouteContext): LogsRequest {
  const query = (name: string): string => c.req.query(name) ?? "";
  return {
    stdout: boolean(query("stdout")),
    stderr: boolean(query("stderr")),
    follow: boolean(query("follow")),
    timestamps: boolean(query("timestamps")),
    details: boolean(query("details")),
    tail: query("tail") || "all",
    since: query("since"),
    until: query("until"),
  };
}

export function containerRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  const room = () => roomOf(engine);
  const container = (c: RouteContext) => room().registry.get(c.req.param("id") ?? "");

  app.get("/containers/json", async (c) => {
    const listed = await listContainers(room(), {
      all: boolean(c.req.query("all")),
      limit: integer(c.req.query("limit"), "limit") ?? 0,
      size: boolean(c.req.query("size")),
      filters: Filters.parse(c.req.query("filters")),
    });
    if (!since(c, "1.46")) for (const { HostConfig } of listed) delete HostConfig.Annotations;
    return c.json(listed);
  });
  app.post("/containers/create", async (c) => {
    const body = await readBody(c, containerCreate, "CreateRequest");
    const request = createFor(c.get("apiVersion"), body, cgroupFacts().version);
    const created = await createContainer(room(), request, {
      name: c.req.query("name") ?? "",
      ...(c.req.query("platform") ? { platform: c.req.query("platform")! } : {}),
    });
    return c.json(created, 201);
  });
  app.post("/containers/prune", async (c) =>
    c.json(await pruneContainers(room(), Filters.parse(c.req.query("filters")))),
  );
  app.get("/containers/:id/json", async (c) => {
    const shown = await inspectContainer(room(), container(c), boolean(c.req.query("size")));
    if (!since(c, "1.45")) addOldAliases(shown);
    return c.json(shown);
  });
  app.get("/containers/:id/top", async (c) =>
    c.json(await topContainer(room(), container(c), c.req.query("ps_args") ?? "")),
  );
  app.get("/containers/:id/logs", (c) => {
    const target = container(c);
    const request = logsRequest(c);
    checkLogs(target, request);
    const multiplexed = !target.record.Config.Tty && since(c, "1.42");
    return streamBytes(
      c,
      { contentType: multiplexed ? MULTIPLEXED_STREAM : RAW_STREAM, shutdown: engine.shutdown },
      (write, signal) => writeLogs(target, request, write, signal),
    );
  });
  app.get("/containers/:id/export", async (c) => {
    const archive = await exportContainer(room(), container(c), c.req.raw.signal);
    return streamBytes(c, { contentType: "application/octet-stream" }, async (write) => {
      for await (const chunk of archive) await write(chunk);
    });
  });
  app.post("/containers/:id/start", async (c) => {
    // A host config once; those who still send one must learn that it is not heard. An empty one is fine.
    const { "content-length": length = "0", "transfer-encoding": chunked } = c.req.header();
    if (chunked || Number(length) > 7) {
      throw badRequest(
        "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
      );
    }
    await startContainer(room(), container(c));
    return c.body(null, 204);
  });
  app.post("/containers/:id/stop", async (c) => {
    await stopContainer(room(), container(c), stopOptions(c));
    return c.body(null, 204);
  });
  app.post("/containers/:id/restart", async (c) => {
    await restartContainer(room(), container(c), stopOptions(c));
    return c.body(null, 204);
  });
  app.post("/containers/:id/kill", async (c) => {
    try {
      await killContainer(room(), container(c), c.req.query("signal") ?? "");
    } catch (error) {
      const { status, message } = toApiError(error);
      throw new ApiError(status, `cannot kill container: ${c.req.param("id")}: ${message}`, { cause: error });
    }
    return c.body(null, 204);
  });
  app.post("/containers/:id/pause", async (c) => {
    await pauseContainer(room(), container(c));
    return c.body(null, 204);
  });
  app.post("/containers/:id/unpause", async (c) => {
    await unpauseContainer(room(), container(c));
    return c.body(null, 204);
  });
  app.post("/containers/:id/rename", async (c) => {
    await renameContainer(room(), container(c), c.req.query("name") ?? "");
    return c.body(null, 204);
  });
  app.post("/containers/:id/resize", async (c) => {
    const width = integer(c.req.query("w"), "w");
    const height = integer(c.req.query("h"), "h");
    if (width === undefined || height === undefined) throw badRequest("invalid resize: h and w are needed");
    await resizeContainer(room(), container(c), width, height);
    return c.body(null, 200);
  });
  app.post("/containers/:id/wait", (c) => {
    const condition = (since(c, "1.30") && c.req.query("condition")) || "not-running";
    if (!CONDITIONS.has(condition)) throw badRequest(`invalid condition: "${condition}"`);
    const { state } = container(c);
    // Registered before the head goes out: the client starts the container as soon as it has seen it.
    const gone = new AbortController();
    const any = anySignal([c.req.raw.signal, engine.shutdown, gone.signal]);
    const result = state.wait(condition as WaitCondition, any.signal).finally(() => any[Symbol.dispose]());
    result.catch(() => {});
    return streamBytes(
      c,
      { contentType: "application/json", shutdown: engine.shutdown },
      async (write, left) => {
        left.addEventListener("abort", () => gone.abort(left.reason), { once: true });
        const { exitCode } = await result;
        await write(`${JSON.stringify({ StatusCode: exitCode })}\n`);
      },
    );
  });
  const unlink = (c: RouteContext, reference: string) => {
    removeLink(room(), reference);
    return c.body(null, 204);
  };
  // "web/data" comes as two segments or as one.
  app.delete("/containers/:id/:alias", (c) => unlink(c, `${c.req.param("id")}/${c.req.param("alias")}`));
  app.delete("/containers/:id", async (c) => {
    if (boolean(c.req.query("link"))) return unlink(c, c.req.param("id"));
    await removeContainer(room(), container(c), {
      force: boolean(c.req.query("force")),
      volumes: boolean(c.req.query("v")),
    });
    return c.body(null, 204);
  });
  app.route("/", archiveRoutes(engine));
  app.get("/containers/:id/changes", async (c) => c.json(await containerChanges(room(), container(c))));
  app.get("/containers/:id/stats", (c) => {
    const target = container(c);
    const request = {
      stream: boolean(c.req.query("stream"), true),
      oneShot: since(c, "1.41") && boolean(c.req.query("one-shot")),
    };
    if (request.stream && request.oneShot) {
      throw badRequest("cannot have stream=true and one-shot=true");
    }
    return streamJson(c, { shutdown: engine.shutdown, newline: "\n" }, (write, signal) =>
      writeStats(room(), target, request, write, signal),
    );
  });
  app.post("/containers/:id/update", async (c) => {
    const body = await readBody(c, containerUpdate, "UpdateConfig");
    return c.json(await updateContainer(room(), container(c), updateFor(c.get("apiVersion"), body)));
  });
  app.get("/containers/:id/attach/ws", (c) => {
    container(c);
    throw badRequest("not a websocket handshake");
  });
  return app;
}
