// /containers/{id}/archive
import { Hono } from "hono";
import type { Engine } from "../../engine.ts";
import { boolean, type RouteContext, type RouteEnv } from "../../server/request.ts";
import { streamBytes } from "../../server/stream.ts";
import { roomOf } from "../index.ts";
import { getArchive, statArchive } from "./get.ts";
import { putArchive } from "./put.ts";
import type { PathStat } from "./stat.ts";

const STAT_HEADER = "X-Docker-Container-Path-Stat";

const encoded = (stat: PathStat): string => Buffer.from(JSON.stringify(stat)).toString("base64");

export function archiveRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  const name = (c: RouteContext) => c.req.param("id") ?? "";
  const container = (c: RouteContext) => roomOf(engine).registry.get(name(c));
  app.get("/containers/:id/archive", async (c) => {
    const room = roomOf(engine);
    const path = c.req.query("path") ?? "";
    if (c.req.method === "HEAD") {
      c.header(STAT_HEADER, encoded(await statArchive(room, container(c), path, name(c))));
      return c.body(null, 200);
    }
    const { stat, archive } = await getArchive(room, container(c), path, name(c), c.req.raw.signal);
    const response = streamBytes(c, { contentType: "application/x-tar" }, async (write) => {
      for await (const chunk of archive) await write(chunk);
    });
    response.headers.set(STAT_HEADER, encoded(stat));
    return response;
  });
  app.put("/containers/:id/archive", async (c) => {
    const body = (c.req.raw.body ?? new Blob([]).stream()) as unknown as AsyncIterable<Uint8Array>;
    await putArchive(roomOf(engine), container(c), body, {
      path: c.req.query("path") ?? "",
      name: name(c),
      noOverwriteDirNonDir: boolean(c.req.query("noOverwriteDirNonDir")),
      copyUidGid: boolean(c.req.query("copyUIDGID")),
      signal: c.req.raw.signal,
    });
    return c.body(null, 200);
  });
  return app;
}
