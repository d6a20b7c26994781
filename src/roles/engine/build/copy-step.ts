// COPY and ADD: sources, cache, layer, image.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AT_FDCWD, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { openName, statAt, toByteName } from "../../../../ffi/tree.ts";
import { readInRoot } from "../containers/rootfs.ts";
import { putLayer, unpackLayer } from "../images/write.ts";
import { resolveUser } from "../oci/user.ts";
import { copyLayer } from "./copy-layer.ts";
import {
  type CopySource,
  combinedHash,
  type SourceTree,
  sourcesIn,
  sourcesWithParents,
} from "./copy-sources.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import type { InstructionOf } from "./dockerfile/instructions.ts";
import { Ignore } from "./dockerignore.ts";
import { download, isUrl } from "./download.ts";
import { cloneGit, isGit } from "./git.ts";
import { joinTarget } from "./paths.ts";
import { openSnapshot } from "./rootfs.ts";
import { commitStep, type StageState } from "./state.ts";
import type { StepGround } from "./step.ts";

type Copy = InstructionOf<"copy" | "add">;

/** --chown, looked up in the image that is copied onto. A lone user is its own group too. */
function ownerOf(chown: string, base: Fd | undefined): { uid: number; gid: number } {
  if (chown === "") return { uid: 0, gid: 0 };
  const passwd = base ? readInRoot(base, "/etc/passwd") : "";
  const group = base ? readInRoot(base, "/etc/group") : "";
  const find = (spec: string) => {
    const { uid, gid } = resolveUser(spec, [], passwd, group);
    return { uid, gid };
  };
  try {
    if (chown.includes(":")) return find(chown);
    try {
      return find(`${chown}:${chown}`);
    } catch {
      return find(chown);
    }
  } catch (error) {
    throw new DockerfileError(
      `unable to convert uid/gid chown string to host mapping: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

function modeOf(chmod: string): number | undefined {
  if (chmod === "") return undefined;
  if (!/^0?[0-7]{1,4}$/.test(chmod)) {
    throw new DockerfileError(
      `invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`,
    );
  }
  return Number.parseInt(chmod, 8);
}

function heredocSource(name: string, content: string, scratch: string): CopySource {
  const path = join(scratch, `heredoc-${randomUUID()}`);
  writeFileSync(path, content, { mode: 0o644 });
  const fd = openName(AT_FDCWD, toByteName(path), O_PATH);
  const hash = new Bun.CryptoHasher("sha256").update(content).digest("hex");
  const stat = statAt(fd, "")!;
  return { fd, stat, attributes: new Map(), name: toByteName(name), hash: `file:${hash}`, plain: true };
}

async function collect(ground: StepGround, step: Copy, tree: SourceTree | undefined): Promise<CopySource[]> {
  const { context, signal } = ground;
  const sources: CopySource[] = [];
  try {
    for (const word of step.sources) {
      if (step.kind === "add" && isGit(word)) {
        const into = join(context.scratch, `git-${randomUUID()}`);
        const { fd } = await cloneGit(word, into, { keepGitDir: step.keepGitDir, signal });
        using held = fd;
        sources.push(...sourcesIn({ root: held, context: false }, "."));
        continue;
      }
      if (step.kind === "add" && isUrl(word)) {
        const options = { directory: context.scratch, target: step.target, checksum: step.checksum, signal };
        sources.push(await download(word, options));
        continue;
      }
      if (step.kind === "copy" && isUrl(word)) throw new DockerfileError("source can't be a URL for COPY");
      if (!tree) throw new DockerfileError("missing build context");
      sources.push(...(step.parents ? sourcesWithParents : sourcesIn)(tree, word));
    }
    for (const { name, content } of step.heredocs)
      sources.push(heredocSource(name, content, context.scratch));
    if (sources.length === 0) throw new DockerfileError("no source files were specified");
    return sources;
  } catch (error) {
    for (const { fd } of sources) fd.close();
    throw error instanceof DockerfileError
      ? new DockerfileError(
          `${step.kind.toUpperCase()} failed: ${error.message.replace(/^ADD failed: /, "")}`,
          { cause: error },
        )
      : error;
  }
}

/** What of the context a step names. */
export const filesOf = ({ kind, sources }: Pick<Copy, "kind" | "sources">): string[] =>
  sources.filter((word) => kind === "copy" || !(isUrl(word) || isGit(word)));

/** The flags that change what is copied, as the history shows them. */
function flagsOf({ chown, chmod, link, parents, exclude, unpack }: Copy): string {
  const later = [
    ...(link ? ["--link "] : []),
    ...(parents ? ["--parents "] : []),
    ...exclude.map((pattern) => `--exclude=${pattern} `),
    ...(unpack === undefined ? [] : [`--unpack=${unpack} `]),
  ];
  return [chown && `--chown=${chown}`, chmod && `--chmod=${chmod} `, ...later].join("");
}

/** Runs the step on the stage. @param from the snapshot of the image that --from names; undefined for the context */
export async function copyStep(
  ground: StepGround,
  state: StageState,
  step: Copy,
  from: string | undefined,
): Promise<void> {
  const keyword = step.kind === "add" ? "ADD" : "COPY";
  const own = from === undefined ? undefined : await openSnapshot(ground, from);
  const root = from === undefined ? (await ground.context.tree(filesOf(step)))?.fd : own;
  let sources: CopySource[] = [];
  try {
    sources = await collect(ground, step, root && { root, context: from === undefined });
    const many = sources.length > 1;
    if (many && !/(^|\/)\.?$/.test(step.target)) {
      throw new DockerfileError(
        `When using ${keyword} with more than one source file, the destination must be a directory and end with a /`,
      );
    }
    const flags = flagsOf(step);
    const said = ground.wording.copy(state, {
      keyword,
      flags,
      sources: step.sources,
      hash: combinedHash(sources),
      target: step.target,
    });
    if (await ground.useCache(state, said)) return;
    using base = await openSnapshot(ground, state.image.chainId);
    const excluded = new Ignore(step.exclude.join("\n"));
    const tar = copyLayer({
      keyword,
      sources,
      target: joinTarget(state.config.WorkingDir ?? "", step.target),
      base: step.link ? undefined : base,
      owner: ownerOf(step.chown, base),
      keepOwners: from !== undefined && step.chown === "",
      ownerGiven: step.chown !== "",
      mode: modeOf(step.chmod),
      unpack: step.unpack,
      excludes: (path) => excluded.excludes(path),
      now: new Date(),
    });
    const layer = await putLayer(ground, tar);
    const chainId = await unpackLayer(ground, layer, state.image.chainId);
    state.image = await commitStep(ground, state, said, { ...layer, chainId });
  } finally {
    for (const { fd } of sources) fd.close();
    own?.close();
  }
}
