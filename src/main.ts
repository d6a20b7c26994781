// argv[0] → role. One table; each role is imported lazily, so that a role pays only for what it uses.
import { ENGINE_OPTIONS, LONG_LIFE, LONG_LIFE_SETTINGS, SHORT_LIFE } from "./lives.ts";
import { compiled } from "./self.ts";

/** A role's entry: gets the arguments after its name and resolves to the process's exit code. */
export type Main = (args: string[], calledAs: string) => Promise<number>;

interface Role {
  /** The names this role answers to, as argv[0] or as the first argument. */
  names: readonly string[];
  about: string;
  /** Runs for days: wants its JavaScript compiled early (lives.ts). */
  daemon?: true;
  load: (args: readonly string[]) => Promise<{ main: Main }>;
}

/** Words of a command line that the client's small half may know what to do with. */
const EVERYDAY: readonly string[] = ["run", "exec", "ps"];

const roles: readonly Role[] = [
  {
    names: ["docker"],
    about: "the client",
    load: (args) =>
      args.some((word) => EVERYDAY.includes(word))
        ? import("./roles/docker/everyday.ts")
        : import("./roles/docker/main.ts"),
  },
  {
    names: ["dockerd", "docker-engine"],
    about: "the engine (also: docker daemon)",
    daemon: true,
    load: () => import("./compose.ts"),
  },
  {
    names: ["containerd", "docker-containerd"],
    about: "images, snapshots, tasks",
    daemon: true,
    load: () => import("./roles/containerd/main.ts"),
  },
  {
    names: ["ctr", "docker-containerd-ctr"],
    about: "containerd's client",
    load: () => import("./compose-ctr.ts"),
  },
  {
    names: [
      "containerd-shim-bunker-v2",
      "containerd-shim-runc-v2",
      "shim",
      "docker-containerd-shim",
      "containerd-shim",
    ],
    about: "keeps one container",
    load: () => import("./compose-shim.ts"),
  },
  { names: ["runc", "docker-runc"], about: "the OCI runtime", load: () => import("./roles/runtime/main.ts") },
  {
    names: ["network-keeper", "docker-network-keeper"],
    about: "containers' resolver; the engine starts it",
    load: () => import("./roles/keeper/main.ts"),
  },
  {
    names: ["system"],
    about: "looks after the data: bunker system verify [--repair]",
    load: () => import("./roles/containerd/verify/main.ts"),
  },
  {
    names: ["install"],
    about: "lays the symlinks: bunker install --prefix DIR",
    load: () => import("./install.ts"),
  },
];

function usage(): string {
  const width = Math.max(...roles.map((role) => role.names[0]!.length));
  return [
    "Usage: bunker ROLE [ARG...]   (or call it by a role's name through a symlink)",
    "",
    "Roles:",
    ...roles.map(
      (role) =>
        `  ${role.names[0]!.padEnd(width)}  ${role.about}${
          role.names.length > 1 ? ` (also ${role.names.slice(1).join(", ")})` : ""
        }`,
    ),
    "",
    "bunker --version tells the version, the commit and the specs it speaks.",
    "",
  ].join("\n");
}

async function dispatch(argv0: string, args: string[]): Promise<number> {
  let name = argv0.slice(argv0.lastIndexOf("/") + 1);
  let rest = args;
  if (!roles.some((role) => role.names.includes(name))) {
    const first = rest[0];
    if (name.startsWith("bunker") || name === "bun" || name === "node") {
      if (first === "--version" || first === "version" || first === "-v") {
        const { versionText } = await import("./version.ts");
        process.stdout.write(versionText());
        return 0;
      }
      if (first === "--help" || first === "-h" || first === "help") {
        process.stdout.write(usage());
        return 0;
      }
      name = first ?? "";
      rest = rest.slice(1);
    }
  }
  // The founding article's time started the engine as `docker daemon`.
  if (name === "docker" && rest[0] === "daemon") {
    name = "dockerd";
    rest = rest.slice(1);
  }
  const role = roles.find((candidate) => candidate.names.includes(name));
  if (!role) {
    process.stderr.write(`bunker: ${name === "" ? "no role named" : `unknown role "${name}"`}\n${usage()}`);
    return 64; // sysexits.h EX_USAGE
  }
  if (role.daemon && shortLife && compiled)
    (await import("./reexec.ts")).startOver({ ...process.env, [LONG_LIFE]: "1" });
  const { main } = await role.load(rest);
  return main(rest, name);
}

// What steers Bun or Node is not ours to obey, nor to hand on to children: scripts/harden.ts closes what is read before this line.
let obeyed = false;
let shortLife = false;
for (const name of Object.keys(process.env)) {
  if (!name.startsWith("BUN_") && !name.startsWith("NODE_")) continue;
  // Where the executable has no prologue, the engine's own options cannot be closed and are in force by now.
  if (SHORT_LIFE.includes(`${name}=${process.env[name]}`)) shortLife = true;
  else if (!LONG_LIFE_SETTINGS.includes(`${name}=${process.env[name]}`))
    obeyed ||= name.startsWith(ENGINE_OPTIONS);
  delete process.env[name];
}
if (obeyed && compiled) (await import("./reexec.ts")).startOver(process.env);

const code = await dispatch(process.argv0, process.argv.slice(2));
process.exitCode = code;
