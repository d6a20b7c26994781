// /images
import { Hono } from "hono";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import { boolean, Filters, type RouteContext, type RouteEnv } from "../server/request.ts";
import { streamBytes } from "../server/stream.ts";
import { atLeast } from "../server/version.ts";
import { commitRoute } from "./commit.ts";
import { inspectDistribution } from "./distribution.ts";
import { importRoute } from "./import.ts";
import { imageHistory, inspectImage } from "./inspect.ts";
import { summarize } from "./list.ts";
import { loadRoute } from "./load.ts";
import { imageManifests } from "./manifests.ts";
import { pruneImages } from "./prune.ts";
import { pullImage } from "./pull.ts";
import { pushRoute } from "./push.ts";
import { resolveImage } from "./resolve.ts";
import { saveImages, selectForSaving } from "./save.ts";
import { searchImages } from "./search.ts";

export function imageRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  const { snapshotter } = engine.config;

  app.get("/images/json", async (c) => {
    const apiVersion = c.get("apiVersion");
    const images = await engine.images.list();
    const filters = Filters.parse(c.req.query("filters"));
    const named = atLeast(apiVersion, "1.41") ? undefined : c.req.query("filter");
    const summaries = summarize(images, named ? filters.with("reference", named) : filters, {
      apiVersion,
      all: boolean(c.req.query("all")),
      sharedSize: atLeast(apiVersion, "1.42") && boolean(c.req.query("shared-size")),
    });
    if (atLeast(apiVersion, "1.51")) {
      for (const shown of summaries) shown.Containers = engine.containers.usingImage(shown.Id).length;
    }
    if (atLeast(apiVersion, "1.47") && boolean(c.req.query("manifests"))) {
      for (const shown of summaries) {
        shown.Manifests = await imageManifests(engine, images.find(({ id }) => id === shown.Id)!);
      }
    }
    return c.json(summaries);
  });

  app.get("/images/search", async (c) => c.json(await searchImages(engine, c)));
  app.get("/distribution/:name{.+}/json", async (c) => c.json(await inspectDistribution(engine, c)));

  app.post("/commit", async (c) => c.json(await commitRoute(engine, c), 201));

  app.post("/images/create", (c) => {
    if (c.req.query("fromImage")) return pullImage(engine, c);
    if (c.req.query("fromSrc")) return importRoute(engine, c);
    throw badRequest("invalid reference format");
  });

  const save = async (c: RouteContext, names: readonly string[]): Promise<Response> => {
    const saved = selectForSaving(await engine.images.list(), names);
    const archive = await saveImages(engine, saved);
    for (const { image } of saved) {
      engine.events.publish("image", "save", {
        ID: image.id,
        Attributes: { name: image.repoTags[0] ?? image.id },
      });
    }
    return streamBytes(c, { contentType: "application/x-tar", shutdown: engine.shutdown }, async (write) => {
      for await (const chunk of archive) await write(chunk);
    });
  };
  app.get("/images/get", (c) => save(c, c.req.queries("names") ?? []));
  app.get("/images/:name{.+}/get", (c) => save(c, [c.req.param("name")]));
  app.post("/images/load", (c) => loadRoute(engine, c));

  app.get("/images/:name{.+}/json", async (c) => {
    const apiVersion = c.get("apiVersion");
    const image = await engine.images.get(c.req.param("name"));
    const shown = inspectImage(image, snapshotter, apiVersion);
    if (atLeast(apiVersion, "1.48") && boolean(c.req.query("manifests"))) {
      shown.Manifests = await imageManifests(engine, image);
    }
    return c.json(shown);
  });

  app.get("/images/:name{.+}/history", async (c) => {
    const all = await engine.images.list();
    return c.json(imageHistory(resolveImage(all, c.req.param("name")), all));
  });

  app.post("/images/:name{.+}/tag", async (c) => {
    await engine.images.tag(c.req.param("name"), c.req.query("repo") ?? "", c.req.query("tag") ?? "");
    return c.body(null, 201);
  });

  app.post("/images/prune", async (c) =>
    c.json(await pruneImages(engine, Filters.parse(c.req.query("filters")))),
  );

  app.delete("/images/:name{.+}", async (c) => {
    const items = await engine.images.remove(c.req.param("name"), {
      force: boolean(c.req.query("force")),
      noPrune: boolean(c.req.query("noprune")),
    });
    return c.json(items);
  });

  app.post("/images/:name{.+}/push", (c) => pushRoute(engine, c));
  return app;
}
