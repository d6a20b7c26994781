// /images
import { Hono } from "hono";
import type { ImageDeleteItem } from "../../../spec/engine/image.ts";
import type { Engine } from "../engine.ts";
import { badRequest, notImplemented } from "../errors.ts";
import { boolean, Filters, type RouteEnv } from "../server/request.ts";
import { parseTime } from "../system/time.ts";
import { imageHistory, inspectImage } from "./inspect.ts";
import { createdAt, summarize } from "./list.ts";
import { pullImage } from "./pull.ts";

export function imageRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  const { snapshotter } = engine.config;

  app.get("/images/json", async (c) => {
    const filters = Filters.parse(c.req.query("filters"));
    const images = await engine.images.list();
    return c.json(summarize(images, filters, { apiVersion: c.get("apiVersion") }));
  });

  app.post("/images/create", (c) => {
    if (c.req.query("fromImage")) return pullImage(engine, c);
    if (c.req.query("fromSrc")) throw notImplemented("importing an image (fromSrc) is not implemented");
    throw badRequest("invalid reference format");
  });

  app.get("/images/:name{.+}/json", async (c) => {
    const image = await engine.images.get(c.req.param("name"));
    return c.json(inspectImage(image, snapshotter, c.get("apiVersion")));
  });

  app.get("/images/:name{.+}/history", async (c) => {
    const image = await engine.images.get(c.req.param("name"));
    return c.json(await imageHistory(image, engine.services, engine.namespace, snapshotter));
  });

  app.post("/images/:name{.+}/tag", async (c) => {
    await engine.images.tag(c.req.param("name"), c.req.query("repo") ?? "", c.req.query("tag") ?? "");
    return c.body(null, 201);
  });

  app.post("/images/prune", async (c) => {
    const filters = Filters.parse(c.req.query("filters")).allow(["dangling", "label", "label!", "until"]);
    const until = filters.get("until").map((text) => Number(parseTime(text) / 1_000_000n));
    const danglingOnly = filters.flag("dangling") ?? true;
    const deleted: ImageDeleteItem[] = [];
    let reclaimed = 0;
    for (const image of await engine.images.list()) {
      if (danglingOnly && image.repoTags.length > 0) continue;
      if (engine.containers.usingImage(image.id).length > 0) continue;
      if (!filters.labels(image.config.config?.Labels)) continue;
      if (until.some((time) => createdAt(image) > time)) continue;
      deleted.push(...(await engine.images.remove(image.id, { force: true })));
      reclaimed += image.size;
    }
    engine.events.publish("image", "prune", { ID: "", Attributes: { reclaimed: String(reclaimed) } });
    return c.json({ ImagesDeleted: deleted, SpaceReclaimed: reclaimed });
  });

  app.delete("/images/:name{.+}", async (c) => {
    const items = await engine.images.remove(c.req.param("name"), { force: boolean(c.req.query("force")) });
    return c.json(items);
  });

  for (const [method, path, what] of [
    ["POST", "/images/:name{.+}/push", "pushing an image"],
    ["GET", "/images/:name{.+}/get", "saving an image"],
    ["GET", "/images/get", "saving images"],
    ["POST", "/images/load", "loading images"],
    ["GET", "/images/search", "searching a registry"],
    ["POST", "/build", "building an image"],
    ["POST", "/build/prune", "pruning the build cache"],
    ["GET", "/distribution/:name{.+}/json", "inspecting an image in a registry"],
  ] as const) {
    app.on(method, path, () => {
      throw notImplemented(`${what} is not implemented`);
    });
  }
  return app;
}
