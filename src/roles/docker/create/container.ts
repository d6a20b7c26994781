// Creating the container: the request, and the image pulled first when it is missing.
import { closeSync, existsSync, openSync, rmSync, writeSync } from "node:fs";
import { traced } from "../../../observe/trace.ts";
import type { ContainerCreateResponse } from "../../../spec/engine/container.ts";
import { familiarString, parseTagged } from "../../../wire/distribution/reference.ts";
import { compareVersions, EngineError } from "../../../wire/engine/client.ts";
import type { Cli } from "../cli.ts";
import { reason } from "../errors.ts";
import type { Flags } from "../flags/flagset.ts";
import { parsePlatform } from "../flags/platform.ts";
import { type CreateRequest, forVersion } from "./request.ts";

const ID = /^(sha256:)?[0-9a-f]{64}$/;

async function pull(cli: Cli, image: string, flags: Flags): Promise<void> {
  if (ID.test(image)) return;
  const { pullImage } = await import("../session/pull.ts");
  await pullImage(cli, {
    reference: parseTagged(image),
    platform: platformOf(flags),
    progress: flags.bool("quiet") ? undefined : 2,
  });
}

export const platformOf = (flags: Flags): string =>
  flags.string("platform") || process.env["DOCKER_DEFAULT_PLATFORM"] || "";

function checkPlatform(platform: string): void {
  try {
    parsePlatform(platform);
  } catch (error) {
    throw new Error(`error parsing specified platform: ${reason(error)}`);
  }
}

/** Throws when the file is there: another container may be the one it names. */
export function checkIdFile(path: string): void {
  if (path !== "" && existsSync(path)) {
    throw new Error(`container ID file found, make sure the other container isn't running or delete ${path}`);
  }
}

/** POST /containers/create; pulls as --pull says. Warnings go to stderr. Returns the id. */
export async function createContainer(
  cli: Cli,
  flags: Flags,
  image: string,
  request: CreateRequest,
): Promise<string> {
  const policy = flags.string("pull");
  if (!ID.test(image)) parseTagged(image);
  const idFile = flags.string("cidfile");
  checkIdFile(idFile);
  const { client } = cli;
  const socket = flags.bool("use-api-socket") ? await import("./api-socket.ts") : undefined;
  const credentials = await socket?.shareApiSocket(cli, request);
  if (platformOf(flags) !== "") checkPlatform(platformOf(flags));
  const create = () =>
    traced("docker", "create", undefined, () =>
      client.json<ContainerCreateResponse>("POST", "/containers/create", {
        query: { name: flags.string("name") || undefined, platform: platformOf(flags) || undefined },
        jsonFor: (version) => forVersion(request, (wanted) => compareVersions(version, wanted) >= 0),
      }),
    );
  if (policy === "always") await pull(cli, image, flags);
  let created: ContainerCreateResponse;
  try {
    created = await create();
  } catch (error) {
    const missing =
      error instanceof EngineError &&
      error.status === 404 &&
      /no such image/i.test(error.reason) &&
      !ID.test(image);
    if (!missing || policy !== "missing") throw error;
    if (!flags.bool("quiet")) {
      cli.err(`Unable to find image '${familiarString(parseTagged(image))}' locally\n`);
    }
    await pull(cli, image, flags);
    created = await create();
  }
  for (const warning of created.Warnings ?? []) {
    cli.err(`WARNING: ${warning}\n`);
  }
  if (idFile !== "") writeIdFile(idFile, created.Id);
  if (socket && credentials && Object.keys(credentials).length > 0) {
    await socket.copyCredentials(client, created.Id, credentials);
  }
  return created.Id;
}

function writeIdFile(path: string, id: string): void {
  const fd = openSync(path, "wx", 0o644);
  try {
    writeSync(fd, id);
  } catch (error) {
    rmSync(path, { force: true });
    throw new Error(`failed to write the container ID to the file: ${(error as Error).message}`);
  } finally {
    closeSync(fd);
  }
}
