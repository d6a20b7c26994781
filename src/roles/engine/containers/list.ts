// GET /containers/json: what `docker ps` shows.
import type { ContainerSummary } from "../../../spec/engine/container.ts";
import { badRequest } from "../errors.ts";
import type { Filters } from "../server/request.ts";
import type { Container } from "./container.ts";
import { containerSizes } from "./inspect.ts";
import { namesByLink } from "./legacy-links.ts";
import { shownMounts } from "./mount-points.ts";
import { shownNetworks } from "./network.ts";
import { parsePort, portMap, portSummaries } from "./ports.ts";
import type { Room } from "./room.ts";
import { fromGoTime } from "./time.ts";

export const LIST_FILTERS = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "label!",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
] as const;

const STATUSES: ReadonlySet<string> = new Set([
  "created",
  "running",
  "paused",
  "restarting",
  "removing",
  "exited",
  "dead",
]);

export interface ListOptions {
  all: boolean;
  limit: number;
  size: boolean;
  filters: Filters;
}

/** A name filter is a regular expression, as docker's; one that is none is taken literally. */
function nameMatches(pattern: string, container: Container): boolean {
  try {
    const expression = new RegExp(pattern);
    return expression.test(container.name) || expression.test(container.record.Name);
  } catch {
    return container.name.includes(pattern);
  }
}

function portMatches(wanted: string, published: ReadonlySet<string>): boolean {
  const [range = "", protocol = "tcp"] = wanted.split("/");
  const [first, last = first] = range.split("-");
  if (!/^\d+$/.test(first!) || !/^\d+$/.test(last!)) throw badRequest(`invalid port filter: ${wanted}`);
  for (let port = Number(first); port <= Number(last); port++) {
    if (published.has(`${port}/${protocol}`)) return true;
  }
  return false;
}

/** A predicate made once for a listing; ApiError 400 or 404 for a filter that makes no sense. */
async function predicate(room: Room, filters: Filters): Promise<(container: Container) => boolean> {
  for (const status of filters.get("status")) {
    if (!STATUSES.has(status)) throw badRequest(`invalid filter 'status=${status}'`);
  }
  const exits = filters.get("exited").map((text) => {
    if (!/^-?\d+$/.test(text)) throw badRequest(`invalid filter 'exited=${text}'`);
    return Number(text);
  });
  const created = (key: string): string | undefined => {
    const reference = filters.get(key)[0];
    return reference === undefined ? undefined : room.registry.get(reference).record.Created;
  };
  const before = created("before");
  const since = created("since");
  const ancestors = await ancestorIds(room, filters);
  return (container) => {
    const { record, state } = container;
    return (
      filters.any("id", (id) => container.id.startsWith(id)) &&
      filters.any("name", (pattern) => nameMatches(pattern, container)) &&
      filters.any("status", (status) => state.status === status) &&
      filters.labels(record.Config.Labels) &&
      (exits.length === 0 ||
        (exits.includes(state.stored.ExitCode) && !state.running && record.HasBeenStartedBefore)) &&
      (before === undefined || record.Created < before) &&
      (since === undefined || record.Created > since) &&
      (ancestors === undefined || ancestors.has(record.Image)) &&
      filters.any("volume", (volume) =>
        Object.values(record.MountPoints).some(
          (mount) => mount.Name === volume || mount.Destination === volume || mount.Source === volume,
        ),
      ) &&
      filters.any("network", (network) => onNetwork(room, container, network)) &&
      filters.any("health", (health) => (state.stored.Health?.Status ?? "none") === health) &&
      filters.any("is-task", (value) => value === "false") &&
      filters.any("expose", (port) => portMatches(port, exposed(container))) &&
      filters.any("publish", (port) => portMatches(port, publishedPorts(room, container)))
    );
  };
}

async function ancestorIds(room: Room, filters: Filters): Promise<ReadonlySet<string> | undefined> {
  const wanted = filters.get("ancestor");
  if (wanted.length === 0) return undefined;
  const ids = new Set<string>();
  for (const reference of wanted) {
    try {
      ids.add((await room.engine.images.get(reference)).id);
    } catch {
      // docker lists nothing for an image that is not there.
    }
  }
  return ids;
}

function onNetwork(room: Room, container: Container, network: string): boolean {
  return Object.entries(shownNetworks(room, container)).some(
    ([name, settings]) => name === network || (network !== "" && settings.NetworkID.startsWith(network)),
  );
}

function exposed(container: Container): ReadonlySet<string> {
  return new Set(
    Object.keys(container.record.Config.ExposedPorts ?? {}).map((key) => {
      const { port, protocol } = parsePort(key);
      return `${port}/${protocol}`;
    }),
  );
}

function publishedPorts(room: Room, container: Container): ReadonlySet<string> {
  return new Set(
    room.engine.networks.endpoints(container.id).flatMap((endpoint) => Object.keys(endpoint.ports)),
  );
}

function command(container: Container): string {
  const { Path, Args } = container.record;
  return [Path, ...Args].map((word) => (/\s/.test(word) ? `'${word}'` : word)).join(" ");
}

async function summary(
  room: Room,
  container: Container,
  linked: readonly string[],
  size: boolean,
): Promise<ContainerSummary> {
  const { record, host, state } = container;
  const live = state.running && state.stored.Pid > 0;
  const sizes = size ? await containerSizes(room, container) : undefined;
  return {
    Id: container.id,
    Names: [record.Name, ...linked],
    Image: record.Config.Image,
    ImageID: record.Image,
    Command: command(container),
    Created: Math.trunc(fromGoTime(record.Created) / 1000),
    Ports: live ? portSummaries(portMap(record.Config, room.engine.networks.endpoints(container.id))) : [],
    ...(sizes ? { SizeRw: sizes.rw, SizeRootFs: sizes.rootFs } : {}),
    Labels: record.Config.Labels ?? {},
    State: state.status,
    Status: state.statusText(),
    HostConfig: {
      NetworkMode: host.NetworkMode,
      ...(host.Annotations ? { Annotations: host.Annotations } : {}),
    },
    NetworkSettings: { Networks: shownNetworks(room, container) },
    Mounts: shownMounts(record.MountPoints),
  };
}

export async function listContainers(room: Room, options: ListOptions): Promise<ContainerSummary[]> {
  const { filters, limit } = options;
  filters.allow(LIST_FILTERS);
  const passes = await predicate(room, filters);
  // Asking for a state, an exit code or a number of containers asks for stopped ones, too.
  const all =
    options.all ||
    limit > 0 ||
    filters.has("status") ||
    filters.has("exited") ||
    filters.has("before") ||
    filters.has("since");
  let found = room.registry
    .list()
    .filter((container) => (all || container.state.running) && passes(container));
  if (limit > 0) found = found.slice(0, limit);
  const linked = namesByLink(room);
  return await Promise.all(
    found.map((container) => summary(room, container, linked.get(container.id) ?? [], options.size)),
  );
}
