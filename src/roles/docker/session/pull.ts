// One pull: what `pull` asks for, and `run` and `create` when the image is not there.
import { isatty } from "../../../../ffi/terminal.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { fullName, parseReference, type Reference } from "../../../wire/distribution/reference.ts";
import type { Cli } from "../cli.ts";
import { credentials, encodeAuth } from "../config/credentials.ts";
import { writeText } from "../stdio/output.ts";
import { showProgress } from "./progress.ts";

export interface PullOptions {
  /** Without a tag: every tag of the repository. */
  reference: Reference;
  platform: string;
  /** Descriptor for the progress; undefined: none is shown. */
  progress?: 1 | 2;
}

/** An image name as typed. Throws with docker's words. */
export function readReference(text: string): Reference {
  return parseReference(text);
}

/** Pulls, and shows the progress. Throws what the engine or the registry says. */
export async function pullImage(cli: Cli, options: PullOptions): Promise<void> {
  const { reference, progress } = options;
  const auth = encodeAuth(await credentials(cli.config, reference.domain));
  const lines = cli.client.lines<ProgressLine>("POST", "/images/create", {
    query: {
      fromImage: fullName(reference),
      tag: reference.digest ?? reference.tag,
      platform: options.platform || undefined,
    },
    headers: { "X-Registry-Auth": auth },
  });
  await showProgress(lines, {
    terminal: progress !== undefined && isatty(progress),
    fd: progress ?? 1,
    print: (text) => {
      if (progress !== undefined) writeText(progress, text);
    },
  });
}
