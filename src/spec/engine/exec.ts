// Exec in the Engine API.
import { z } from "zod";
import { boolean, string, strings, strSlice } from "./go-json.ts";

const consoleSize = z
  .array(z.number())
  .transform((size): [number, number] => [size[0] ?? 0, size[1] ?? 0])
  .optional();

/** Body of POST /containers/{id}/exec */
export const execCreate = z.object({
  User: string,
  Privileged: boolean,
  Tty: boolean,
  ConsoleSize: consoleSize,
  AttachStdin: boolean,
  AttachStderr: boolean,
  AttachStdout: boolean,
  DetachKeys: string,
  Env: strings,
  WorkingDir: string,
  Cmd: strSlice,
});

/** Body of POST /exec/{id}/start */
export const execStart = z.object({ Detach: boolean, Tty: boolean, ConsoleSize: consoleSize });

export type ExecCreate = z.output<typeof execCreate>;
export type ExecStart = z.output<typeof execStart>;

/** GET /exec/{id}/json */
export interface ExecInspect {
  ID: string;
  Running: boolean;
  ExitCode: number | null;
  ProcessConfig: {
    tty: boolean;
    entrypoint: string;
    arguments: string[];
    privileged: boolean;
    user?: string;
  };
  OpenStdin: boolean;
  OpenStderr: boolean;
  OpenStdout: boolean;
  CanRemove: boolean;
  ContainerID: string;
  DetachKeys: string;
  Pid: number;
}
