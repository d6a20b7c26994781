// The runtime's log: logrus's lines on stderr, or a file in text or JSON, which containerd's shim reads back for errors.

import { errnoText, SyscallError } from "../../../ffi/errno.ts";
import { print } from "../../../ffi/output.ts";
import { writeText } from "../../../ffi/path.ts";
import { RuntimeError } from "./errors.ts";

export type LogLevel = "debug" | "info" | "warning" | "error";

let file: string | undefined;
let format = "text";
let debugging = false;

/** Throws when the file cannot be opened: whoever names one looks for errors there. */
export function configureLog(options: { file: string | undefined; format: string; debug: boolean }): void {
  format = options.format;
  debugging = options.debug;
  if (!options.file) return;
  try {
    writeText(options.file, "", { mode: 0o644, append: true });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new RuntimeError(`open ${options.file}: ${errnoText(error.errno)}`);
  }
  file = options.file;
}

/** logrus's time: RFC 3339 to the second, local zone shown as an offset; ours is UTC. */
const now = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");

export function log(level: LogLevel, message: string): void {
  if (level === "debug" && !debugging) return;
  const line =
    format === "json"
      ? JSON.stringify({ level, msg: message, time: now() })
      : `time="${now()}" level=${level} msg=${JSON.stringify(message)}`;
  if (file === undefined) {
    print(`${line}\n`, 2);
    return;
  }
  try {
    writeText(file, `${line}\n`, { mode: 0o644, append: true });
  } catch (error) {
    const why = error instanceof SyscallError ? errnoText(error.errno) : String(error);
    print(`Failed to write to log, write ${file}: ${why}\n`, 2);
  }
}

/** An error that ends the program: in the log, and on stderr too when the log is a file. */
export function fatal(message: string): void {
  log("error", message);
  if (file !== undefined) print(`${message}\n`, 2);
}
