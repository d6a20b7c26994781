// POST /commit: what a container has changed, as an image.
import type { ContainerConfig } from "../../../spec/engine/container.ts";
import { containerConfig } from "../../../spec/engine/container.ts";
import type { DockerImageConfig, ImageRunConfig } from "../../../spec/engine/image.ts";
import { familiarString } from "../../../wire/distribution/reference.ts";
import { applyChanges } from "../build/changes.ts";
import type { Container } from "../containers/container.ts";
import { roomOf } from "../containers/index.ts";
import { pauseContainer, unpauseContainer } from "../containers/pause.ts";
import { containerEvent, type Room } from "../containers/room.ts";
import type { Engine } from "../engine.ts";
import { badRequest, conflict } from "../errors.ts";
import { boolean, fromJson, parseBody, type RouteContext } from "../server/request.ts";
import { containerAction } from "../system/counts.ts";
import { PARENT_LABEL } from "./catalog.ts";
import { containerLayer } from "./container-layer.ts";
import { leased } from "./leased.ts";
import { clientReference } from "./resolve.ts";
import { runConfig } from "./run-config.ts";
import type { StoredImage } from "./store.ts";
import { type StoredLayer, unpackLayer, type WriteGround } from "./write.ts";

export interface CommitRequest {
  repository: string;
  tag: string;
  comment: string;
  author: string;
  pause: boolean;
  changes: string[];
  /** Overrides the container's own. */
  config: ContainerConfig | undefined;
}

const nameOf = (entry: string): string => entry.split("=", 1)[0]!;

/** The new configuration with what it leaves open taken from the container. moby: daemon/commit.go merge */
function merged(own: ImageRunConfig, container: ImageRunConfig): ImageRunConfig {
  const given = new Set((own.Env ?? []).map(nameOf));
  return {
    ...container,
    ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== null && value !== "")),
    Env: [...(own.Env ?? []), ...(container.Env ?? []).filter((entry) => !given.has(nameOf(entry)))],
    ExposedPorts: { ...container.ExposedPorts, ...own.ExposedPorts },
    Volumes: { ...container.Volumes, ...own.Volumes },
    Labels: { ...container.Labels, ...own.Labels },
    // An entrypoint of its own does without the container's command.
    Cmd: own.Cmd ?? (own.Entrypoint?.length ? null : (container.Cmd ?? null)),
    Entrypoint: own.Entrypoint ?? container.Entrypoint ?? null,
  };
}

function imageConfig(
  parent: StoredImage,
  container: Container,
  layer: StoredLayer | undefined,
  request: CommitRequest,
): DockerImageConfig {
  const created = new Date().toISOString();
  const own = container.record.Config;
  const base: ImageRunConfig = request.config ? merged(request.config, own) : own;
  const { comment, author } = request;
  const { container: _container, ...config } = parent.config;
  return {
    ...config,
    created,
    ...(author ? { author } : {}),
    config: runConfig(applyChanges(base, request.changes)),
    rootfs: {
      type: "layers",
      diff_ids: [...parent.config.rootfs.diff_ids, ...(layer ? [layer.diffId] : [])],
    },
    history: [
      ...(parent.config.history ?? []),
      {
        created,
        created_by: (own.Cmd ?? []).join(" "),
        ...(author ? { author } : {}),
        ...(comment ? { comment } : {}),
        ...(layer ? {} : { empty_layer: true }),
      },
    ],
  };
}

/** Pauses the container; false when its process has ended meanwhile, which will do as well. */
async function stands(room: Room, container: Container): Promise<boolean> {
  try {
    await pauseContainer(room, container);
    return true;
  } catch (error) {
    if (container.state.running && (await processLives(room, container))) throw error;
    return false;
  }
}

async function processLives({ engine }: Room, container: Container): Promise<boolean> {
  const task = await engine.services.tasks.get(engine.namespace, container.id).catch(() => undefined);
  return task !== undefined && task.status !== "STOPPED";
}

/** Takes the layer while the container stands still, if that is wanted. */
async function snapshot(
  engine: Engine,
  ground: WriteGround,
  container: Container,
  pause: boolean,
): Promise<StoredLayer | undefined> {
  const room = roomOf(engine);
  const { state } = container;
  const paused =
    pause && state.running && !state.paused && !state.restarting && (await stands(room, container));
  try {
    return await containerLayer(ground, container);
  } finally {
    if (paused && state.paused) await unpauseContainer(room, container);
  }
}

/** The image's layer, configuration and record. Its id. */
function make(
  engine: Engine,
  container: Container,
  parent: StoredImage,
  request: CommitRequest,
): Promise<string> {
  const { services, namespace } = engine;
  const ground = { services, namespace, snapshotter: engine.config.snapshotter };
  return leased(services, namespace, "commit", async () => {
    const layer = await snapshot(engine, ground, container, request.pause);
    if (layer) await unpackLayer(ground, layer, container.record.ChainID);
    const config = imageConfig(parent, container, layer, request);
    const layers = layer ? [...parent.layers, layer.descriptor] : parent.layers;
    return await engine.images.create({ config, layers }, { [PARENT_LABEL]: parent.id });
  });
}

/** Returns the new image's id. ApiError in docker's words. */
export async function commitContainer(
  engine: Engine,
  container: Container,
  request: CommitRequest,
): Promise<string> {
  const { record, state } = container;
  if (state.stored.RemovalInProgress || state.stored.Dead) {
    throw conflict(`cannot commit container ${container.id}: it is being removed`);
  }
  const name =
    request.repository === ""
      ? undefined
      : clientReference(request.tag === "" ? request.repository : `${request.repository}:${request.tag}`);
  if (name?.digest !== undefined) throw badRequest("refusing to create a tag with a digest reference");
  // A bad change is told before anything is done.
  applyChanges({}, request.changes);
  const parent = await engine.images.get(record.Image);
  const id = await containerAction("commit", () => make(engine, container, parent, request));
  if (name) await engine.images.tag(id, request.repository, request.tag);
  containerEvent(roomOf(engine), container, "commit", {
    comment: request.comment,
    imageID: id,
    ...(name ? { imageRef: familiarString(name) } : {}),
  });
  return id;
}

/** The body, which may be empty or null: then the container's own configuration counts. */
function bodyConfig(text: string): ContainerConfig | undefined {
  if (text.trim() === "" || text.trim() === "null") return undefined;
  const given = parseBody(containerConfig, text, "Config");
  // `{}` of old clients says nothing either.
  return JSON.stringify(given) === JSON.stringify(fromJson(containerConfig, {}, "Config"))
    ? undefined
    : given;
}

/** POST /commit */
export async function commitRoute(engine: Engine, c: RouteContext): Promise<{ Id: string }> {
  const query = (name: string): string => c.req.query(name) ?? "";
  const container = roomOf(engine).registry.get(query("container"));
  const id = await commitContainer(engine, container, {
    repository: query("repo"),
    tag: query("tag"),
    comment: query("comment"),
    author: query("author"),
    pause: boolean(c.req.query("pause"), true),
    changes: c.req.queries("changes") ?? [],
    config: bodyConfig(await c.req.text()),
  });
  return { Id: id };
}
