// `docker inspect` and its kin: the engine's own JSON, indented, or a template's view of it.
import { any, type Command, type Invocation } from "../command.ts";
import type { Flag } from "../flags/flagset.ts";
import { platformQuery } from "../flags/platform.ts";
import { inspectFormatFlag, inspectObjects } from "../inspect/objects.ts";

const sizeFlag: Flag = {
  name: "size",
  short: "s",
  kind: "bool",
  usage: "Display total file sizes if the type is container",
};

type Kind = "container" | "image" | "network" | "volume" | SwarmKind;
/** Looked for only when they are named: an engine without swarm has none. */
type SwarmKind = "config" | "node" | "plugin" | "secret" | "service" | "task";

/** In the order in which a bare name is looked for. */
const paths: Readonly<Record<Kind, (name: string) => string>> = {
  container: (name) => `/containers/${name}/json`,
  image: (name) => `/images/${name}/json`,
  network: (name) => `/networks/${name}`,
  volume: (name) => `/volumes/${name}`,
  config: (name) => `/configs/${name}`,
  node: (name) => `/nodes/${name}`,
  plugin: (name) => `/plugins/${name}/json`,
  secret: (name) => `/secrets/${name}`,
  service: (name) => `/services/${name}`,
  task: (name) => `/tasks/${name}`,
};

async function look(invocation: Invocation, kinds: readonly Kind[], name: string): Promise<string> {
  const { cli, flags } = invocation;
  for (const kind of kinds) {
    const query = {
      size: kind === "container" && flags.bool("size") ? true : undefined,
      platform:
        kind === "image" && kinds.length === 1 && flags.has("platform")
          ? platformQuery(flags.string("platform"))
          : undefined,
      verbose: kind === "network" && kinds.length === 1 && flags.bool("verbose") ? true : undefined,
    };
    try {
      const response = await cli.client.request("GET", paths[kind](encodeURIComponent(name)), { query });
      return await response.text();
    } catch (error) {
      const status = (error as { status?: number }).status;
      if (kinds.length === 1 || status === undefined) throw error;
      // Not there, or a name that this kind cannot have: the next kind may know it.
      if (status !== 404 && status !== 400) throw error;
    }
  }
  throw new Error(`Error: No such object: ${name}`);
}

const inspectAll = (invocation: Invocation, kinds: readonly Kind[]): Promise<number> =>
  inspectObjects(invocation.cli, invocation.flags.string("format"), invocation.args, (name) =>
    look(invocation, kinds, name),
  );

const kinds = (Object.keys(paths) as Kind[]).sort();
const searched: readonly Kind[] = ["container", "image", "network", "volume"];

export const inspect: Command = {
  use: "[OPTIONS] NAME|ID [NAME|ID...]",
  short: "Return low-level information on Docker objects",
  flags: [
    inspectFormatFlag,
    sizeFlag,
    { name: "type", kind: "string", usage: "Only inspect objects of the given type" },
  ],
  args: { min: 1, max: any },
  async run(invocation) {
    const type = invocation.flags.string("type");
    if (type === "") return inspectAll(invocation, searched);
    if (!(kinds as string[]).includes(type)) {
      throw new Error(
        `unknown type: ${JSON.stringify(type)}: must be one of ${kinds.map((kind) => JSON.stringify(kind)).join(", ")}`,
      );
    }
    return inspectAll(invocation, [type as Kind]);
  },
};

const one = (kind: Kind, use: string, flags: readonly Flag[]): Command => ({
  use,
  short: `Display detailed information on one or more ${kind}s`,
  flags: [inspectFormatFlag, ...flags],
  args: { min: 1, max: any },
  run: (invocation) => inspectAll(invocation, [kind]),
});

export const inspectContainer = one("container", "[OPTIONS] CONTAINER [CONTAINER...]", [sizeFlag]);
export const inspectImage = one("image", "[OPTIONS] IMAGE [IMAGE...]", [
  {
    name: "platform",
    kind: "string",
    usage: `Inspect a specific platform of the multi-platform image.
If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
  },
]);
export const inspectNetwork = one("network", "[OPTIONS] NETWORK [NETWORK...]", [
  { name: "verbose", short: "v", kind: "bool", usage: "Verbose output for diagnostics" },
]);
export const inspectVolume = one("volume", "[OPTIONS] VOLUME [VOLUME...]", []);
