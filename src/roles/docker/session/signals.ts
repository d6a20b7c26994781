// Signals that reach the client, passed on to the container (--sig-proxy).
import type { EngineClient } from "../../../wire/engine/client.ts";

const SIGNALS = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGABRT",
  "SIGALRM",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGWINCH",
  "SIGPWR",
] as const;

/** Forwards every signal but SIGCHLD and SIGPIPE until the result is called. Three SIGINT or SIGTERM end the client itself. */
export function forwardSignals(client: EngineClient, container: string): () => void {
  let interrupts = 0;
  const forward = (name: NodeJS.Signals): void => {
    if ((name === "SIGINT" || name === "SIGTERM") && ++interrupts >= 3) {
      process.stderr.write("\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n");
      process.exit(1);
    }
    // Refused while the container is not running, which is no one's loss.
    client
      .done("POST", `/containers/${encodeURIComponent(container)}/kill`, { query: { signal: name.slice(3) } })
      .catch(() => {});
  };
  for (const name of SIGNALS) process.on(name, forward);
  return () => {
    for (const name of SIGNALS) process.off(name, forward);
  };
}
