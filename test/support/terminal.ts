// A command on a real terminal (pty), driven as a person would: type, look, resize.
import { plainEnvironment, until } from "./process.ts";

export interface TerminalRun extends AsyncDisposable {
  /** All it has shown so far. */
  screen(): string;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** Waits until the screen shows the text. */
  shows(text: string | RegExp): Promise<void>;
  exited: Promise<number>;
}

/** Starts `command` on a new pty of 80×24. */
export function onTerminal(command: string[], env: Record<string, string> = {}): TerminalRun {
  let screen = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn(command, {
    env: plainEnvironment(env),
    terminal: {
      cols: 80,
      rows: 24,
      data(_terminal: unknown, bytes: Uint8Array) {
        screen += decoder.decode(bytes, { stream: true });
      },
    },
  });
  const terminal = child.terminal!;
  return {
    screen: () => screen,
    type: (text) => {
      terminal.write(text);
    },
    resize: (columns, rows) => terminal.resize(columns, rows),
    shows: async (text) => {
      const matches = () => (typeof text === "string" ? screen.includes(text) : text.test(screen));
      await until(`${text} on the screen`, matches).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}; the screen shows:\n${screen}`);
      });
    },
    exited: child.exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill("SIGKILL");
      await child.exited;
      terminal.close();
    },
  };
}
