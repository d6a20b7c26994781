// Handing a command over to a plugin: it gets the whole command line, global flags too, and our stdin, stdout and stderr.
import { childEnvironment } from "../../../self.ts";

/** Runs the plugin to its end. Returns its exit code. */
export async function runPlugin(path: string, args: readonly string[]): Promise<number> {
  const child = Bun.spawn([path, ...args], {
    env: childEnvironment({ DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND: process.argv0 }),
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  // The terminal sends its signals to the plugin as well; those sent to us alone are passed on.
  const names = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
  for (const name of names) process.on(name, () => name !== "SIGINT" && child.kill(name));
  await child.exited;
  if (child.signalCode)
    return 128 + ({ SIGINT: 2, SIGTERM: 15, SIGKILL: 9, SIGHUP: 1 }[child.signalCode as string] ?? 0);
  return child.exitCode ?? 1;
}
