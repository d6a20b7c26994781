// /volumes
import { Hono } from "hono";
import { type VolumeInspect, type VolumeList, volumeCreate } from "../../../spec/engine/volume.ts";
import type { Engine } from "../engine.ts";
import { boolean, Filters, type RouteEnv, readBody } from "../server/request.ts";
import { atLeast } from "../server/version.ts";
import type { Volume } from "./store.ts";
import { diskUsage } from "./usage.ts";

const FILTERS = ["dangling", "driver", "label", "label!", "name"] as const;

export function inspectVolume(volume: Volume): VolumeInspect {
  const some = (map: Record<string, string>) => (Object.keys(map).length > 0 ? map : null);
  return {
    CreatedAt: volume.createdAt,
    Driver: volume.driver,
    Labels: some(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: some(volume.options),
    Scope: "local",
  };
}

export function volumeRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();

  app.get("/volumes", (c) => {
    const filters = Filters.parse(c.req.query("filters")).allow(FILTERS);
    const dangling = filters.flag("dangling");
    const volumes = engine.volumes
      .list()
      .filter(
        (volume) =>
          filters.any("name", (part) => volume.name.includes(part)) &&
          filters.any("driver", (driver) => volume.driver === driver) &&
          filters.labels(volume.labels) &&
          (dangling === undefined || dangling === (engine.containers.usingVolume(volume.name).length === 0)),
      );
    return c.json({ Volumes: volumes.map(inspectVolume), Warnings: null } satisfies VolumeList);
  });

  app.post("/volumes/create", async (c) => {
    const body = await readBody(c, volumeCreate, "VolumeCreateRequest", { optional: true });
    const volume = engine.volumes.create({
      name: body.Name || undefined,
      driver: body.Driver,
      labels: body.Labels ?? {},
      options: body.DriverOpts ?? {},
    });
    return c.json(inspectVolume(volume), 201);
  });

  app.post("/volumes/prune", async (c) => {
    const filters = Filters.parse(c.req.query("filters")).allow(["all", "label", "label!"]);
    // Named ones only when asked for, since API 1.42.
    const all = filters.flag("all") ?? !atLeast(c.get("apiVersion"), "1.42");
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const volume of engine.volumes.list()) {
      if (!(all || volume.anonymous) || !filters.labels(volume.labels)) continue;
      if (engine.containers.usingVolume(volume.name).length > 0) continue;
      const size = await diskUsage(volume.mountpoint);
      await engine.volumes.remove(volume.name);
      deleted.push(volume.name);
      reclaimed += size;
    }
    engine.events.publish("volume", "prune", { ID: "", Attributes: { reclaimed: String(reclaimed) } });
    return c.json({ VolumesDeleted: deleted, SpaceReclaimed: reclaimed });
  });

  app.get("/volumes/:name", (c) => c.json(inspectVolume(engine.volumes.get(c.req.param("name")))));

  app.delete("/volumes/:name", async (c) => {
    await engine.volumes.remove(c.req.param("name"), { force: boolean(c.req.query("force")) });
    return c.body(null, 204);
  });
  return app;
}
