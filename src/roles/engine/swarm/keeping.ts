// Secrets and configs: bytes under a name, kept in the swarm. A secret's bytes are never shown again.
import { Hono } from "hono";
import { z } from "zod";
import { integer as goInteger, string, stringMap } from "../../../spec/engine/go-json.ts";
import { badRequest, conflict } from "../errors.ts";
import { Filters, integer, type RouteEnv, readBody } from "../server/request.ts";
import { checkVersion, find, type Kept, type Noun, type Swarm } from "./cluster.ts";
import { newId } from "./ids.ts";

const spec = z.object({
  Name: string,
  Labels: stringMap,
  Data: z.string().nullish(),
  version: goInteger.optional(),
});
type Spec = z.output<typeof spec>;

/** Bytes that one of them may have at most. swarmkit: api/validation */
const LIMIT: Readonly<Record<Noun, number>> = { secret: 500 * 1024, config: 1000 * 1024 };
const NAME = /^[a-zA-Z0-9]+(?:[a-zA-Z0-9\-_.]*[a-zA-Z0-9])?$/;

const invalid = (message: string): Error => badRequest(`rpc error: code = InvalidArgument desc = ${message}`);

function check(noun: Noun, { Name, Data }: Spec): void {
  if (Name === "") throw invalid("meta: name must be provided");
  if (Name.length > 64 || !NAME.test(Name)) {
    throw invalid(
      `invalid ${noun} name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]`,
    );
  }
  const length = Buffer.from(Data ?? "", "base64").length;
  if (length === 0 || length > LIMIT[noun]) {
    throw invalid(`${noun} data must be larger than 0 and less than ${LIMIT[noun]} bytes`);
  }
}

function shown(noun: Noun, { ID, Version, CreatedAt, UpdatedAt, Name, Labels, Data }: Kept) {
  const Spec = { Name, Labels, ...(noun === "config" ? { Data } : {}) };
  return { ID, Version: { Index: Version }, CreatedAt, UpdatedAt, Spec };
}

function chosen(all: readonly Kept[], filters: Filters): Kept[] {
  filters.allow(["id", "label", "name", "names"]);
  return all.filter(
    ({ ID, Name, Labels }) =>
      filters.any("id", (id) => ID.startsWith(id)) &&
      filters.any("name", (name) => Name.startsWith(name)) &&
      filters.any("names", (name) => Name === name) &&
      filters.get("label").every((label) => {
        const [key = "", ...value] = label.split("=");
        return key in Labels && (value.length === 0 || Labels[key] === value.join("="));
      }),
  );
}

/** @param noun whose routes: /secrets or /configs */
export function keepingRoutes(swarm: Swarm, noun: Noun): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  app.get(`/${noun}s`, (c) => {
    const filters = Filters.parse(c.req.query("filters"));
    return c.json(chosen(swarm.active[noun], filters).map((one) => shown(noun, one)));
  });
  app.post(`/${noun}s/create`, async (c) => {
    const { [noun]: all } = swarm.active;
    const body = await readBody(c, spec, "Spec");
    check(noun, body);
    if (all.some(({ Name }) => Name === body.Name)) {
      throw conflict(`rpc error: code = AlreadyExists desc = ${noun} ${body.Name} already exists`);
    }
    const ID = swarm.change((next, Version, now) => {
      const { Name, Labels, Data } = body;
      const made = { ID: newId(), Version, CreatedAt: now, UpdatedAt: now, Name, Labels: Labels ?? {} };
      next[noun].push({ ...made, Data: Data! });
      return made.ID;
    });
    return c.json({ ID }, 201);
  });
  app.get(`/${noun}s/:id`, (c) => c.json(shown(noun, find(swarm.active[noun], noun, c.req.param("id")))));
  app.delete(`/${noun}s/:id`, (c) => {
    const { ID } = find(swarm.active[noun], noun, c.req.param("id"));
    swarm.change((next) => {
      next[noun] = next[noun].filter((one) => one.ID !== ID);
    });
    return c.body(null, 204);
  });
  app.post(`/${noun}s/:id/update`, async (c) => {
    const one = find(swarm.active[noun], noun, c.req.param("id"));
    const version = integer(c.req.query("version"), "version");
    if (version === undefined) throw badRequest(`invalid ${noun} version ''`);
    const body = await readBody(c, spec, "Spec");
    const sameData = body.Data === undefined || body.Data === null || body.Data === one.Data;
    if (body.Name !== one.Name || !sameData) throw invalid("only updates to Labels are allowed");
    checkVersion(one, version);
    swarm.change((next, index, now) => {
      const changed = find(next[noun], noun, one.ID);
      Object.assign(changed, { Labels: body.Labels ?? {}, Version: index, UpdatedAt: now });
    });
    return c.body(null, 200);
  });
  return app;
}
