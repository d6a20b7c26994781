// What every suite stands on: a network of its own, a registry with the images, an engine that mirrors it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linkRoles, realDocker } from "../../test/support/binary.ts";
import { startRealDaemon } from "../../test/support/docker-io.ts";
import { startEngine } from "../../test/support/engine.ts";
import { makeNetns, type Netns } from "../../test/support/netns.ts";
import { must } from "../../test/support/process.ts";
import { startRegistry } from "../../test/support/registry.ts";

export interface Ground extends AsyncDisposable {
  netns: Netns;
  /** unix://… */
  host: string;
  /** A directory of the suite's own. */
  scratch: string;
  /** DOCKER_HOST and what else a client needs. */
  env: Record<string, string>;
  /** The docker client that suites find on PATH: the real one, where there is one. */
  docker(...args: string[]): Promise<string>;
}

/** Puts an image into the engine as `remote`: from a `docker save` of it, or from a root file system. */
async function provide(
  docker: (...args: string[]) => Promise<string>,
  file: string,
  name: string,
  remote: string,
): Promise<void> {
  const saved = Bun.spawnSync(["tar", "-tf", file, "manifest.json"], { stdout: "ignore", stderr: "ignore" });
  if (saved.exitCode === 0) {
    await docker("load", "-q", "-i", file);
    await docker("tag", name, remote);
    await docker("rmi", name);
    return;
  }
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  await docker("import", "-c", 'CMD ["sh"]', "-c", `ENV ${path}`, file, remote);
}

/** `engine`: "ours" or "docker.io". `images`: public names and tars. */
export async function makeGround(
  engine: string,
  images: ReadonlyMap<string, string>,
  scratch: string,
): Promise<Ground> {
  await using stack = new AsyncDisposableStack();
  const netns = stack.use(await makeNetns());
  const registry = stack.use(await startRegistry(netns));
  const mirror = ["--registry-mirror", `http://${registry.address}`];
  const daemon =
    engine === "ours"
      ? stack.use(await startEngine(netns, { args: mirror }))
      : stack.use(await startRealDaemon(netns, mirror));
  const client = realDocker ?? join(linkRoles(), "docker");
  const home = join(scratch, "home");
  mkdirSync(join(home, ".docker"), { recursive: true });
  // docker-py keeps its contexts where the program stands when there is no configuration.
  writeFileSync(join(home, ".docker", "config.json"), "{}");
  const env = {
    DOCKER_HOST: daemon.host,
    HOME: home,
    PATH: `${join(client, "..")}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  };
  const docker = (...args: string[]) => must(netns.inside([client, ...args]), { env, deadline: 300_000 });
  for (const [name, file] of images) {
    const [repository = "", tag = "latest"] = name.split(":");
    const path = repository.includes("/") ? repository : `library/${repository}`;
    const remote = `${registry.address}/${path}:${tag}`;
    await provide(docker, file, name, remote);
    await docker("push", "-q", remote);
    await docker("rmi", "-f", remote);
  }
  const held = stack.move();
  return {
    netns,
    host: daemon.host,
    scratch,
    env,
    docker,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
