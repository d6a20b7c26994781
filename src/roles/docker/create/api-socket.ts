// `--use-api-socket`: the engine's own socket in the container, and the credentials to use it with.

import { END, encodeHeader, paddingOf } from "../../../store/tar/encode.ts";
import type { EngineClient } from "../../../wire/engine/client.ts";
import type { Cli } from "../cli.ts";
import { type AuthConfig, allCredentials } from "../config/credentials.ts";
import { archivePath } from "../copy/remote.ts";
import { reason } from "../errors.ts";
import { upload } from "../session/upload.ts";
import type { CreateRequest } from "./request.ts";

const CONFIG = "/run/secrets/docker";

export type Credentials = Record<string, AuthConfig>;

/**
 * Adds the socket to the request, and DOCKER_CONFIG when there are credentials to hand on. Returns those: they are copied into the
 * container once it is there. Throws when the engine is not at a unix socket.
 */
export async function shareApiSocket(cli: Cli, request: CreateRequest): Promise<Credentials> {
  const host = cli.host();
  if (!host.startsWith("unix://")) {
    throw new Error(
      `flag --use-api-socket can only be used with unix sockets: docker endpoint ${host} incompatible`,
    );
  }
  request.HostConfig.Mounts = [
    ...(request.HostConfig.Mounts ?? []),
    { Type: "bind", Source: host.slice("unix://".length), Target: "/var/run/docker.sock", BindOptions: {} },
  ];
  // Who sets it knows which configuration the container is to have.
  const variables = request.Env ?? [];
  if (variables.some((variable) => variable.startsWith("DOCKER_CONFIG="))) return {};
  const known = await allCredentials(cli.config);
  if (Object.keys(known).length > 0) request.Env = [...variables, `DOCKER_CONFIG=${CONFIG}`];
  return known;
}

/** Puts a config.json with nothing but the credentials into the container. Throws in docker's words. */
export async function copyCredentials(client: EngineClient, id: string, known: Credentials): Promise<void> {
  const auths = Object.fromEntries(
    Object.entries(known).map(([key, { username = "", password = "", identitytoken }]) => [
      key,
      {
        ...(username || password ? { auth: Buffer.from(`${username}:${password}`).toString("base64") } : {}),
        ...(identitytoken ? { identitytoken } : {}),
      },
    ]),
  );
  const text = new TextEncoder().encode(JSON.stringify({ auths }, undefined, "\t"));
  const header = encodeHeader({
    name: `${CONFIG}/config.json`,
    type: "file",
    mode: 0o600,
    uid: 0,
    gid: 0,
    size: text.length,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkName: "",
    devMajor: 0,
    devMinor: 0,
    attributes: new Map(),
  });
  const tar = new Blob([header, text, new Uint8Array(paddingOf(text.length)), END]);
  try {
    const response = await upload(client, "PUT", archivePath(id), tar.stream(), {
      query: { path: "/", noOverwriteDirNonDir: "true" },
    });
    await response.arrayBuffer();
  } catch (error) {
    throw new Error(
      `injecting docker config.json into container failed: copying config.json into container failed: ${reason(error)}`,
    );
  }
}
