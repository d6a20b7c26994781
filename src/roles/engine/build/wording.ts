// How steps are written into an image's history, and what the cache knows them by: docker's classic words, or BuildKit's.
import type { MetadataState } from "./metadata.ts";
import { shellOf } from "./metadata.ts";

export interface Said {
  /** All that makes the step what it is: with it and the image before, the cache finds the step again. */
  key: string;
  /** The history's entry. */
  createdBy: string;
  comment?: string;
}

export interface Wording {
  /** An instruction that changes the configuration: "ENV a=b". */
  metadata(state: MetadataState, said: string): Said;
  workdir(state: MetadataState, said: string): Said;
  /** @param hash of the sources; `flags` as in "--chown=1 " */
  copy(
    state: MetadataState,
    step: { keyword: string; flags: string; sources: readonly string[]; hash: string; target: string },
  ): Said;
  /** @param args "NAME=value" of the build arguments that it sees; `mounts` what --mount adds to its key */
  run(args: readonly string[], words: readonly string[], mounts: string): Said;
  /** A RUN that ended with `code`. */
  failed(words: readonly string[], code: number): string;
  /** Whether an image's configuration names the image that it was made from (Config.Image). */
  namesParent: boolean;
}

const nop = ({ config }: MetadataState, said: string): Said => {
  const createdBy = [...shellOf(config), `#(nop) ${said}`].join(" ");
  return { key: createdBy, createdBy };
};

/** "|2 A=1 B=2" in front of the command, where there are any. */
const withArgs = (args: readonly string[], words: readonly string[]): string =>
  [...(args.length > 0 ? [`|${args.length}`, ...args] : []), ...words].join(" ");

export const classicWording: Wording = {
  // Two blanks, as docker has written them since its first days.
  metadata: (state, said) => nop(state, ` ${said}`),
  workdir: nop,
  copy: (state, { keyword, flags, hash, target }) => nop(state, `${keyword} ${flags}${hash} in ${target} `),
  run(args, words, mounts) {
    const said = withArgs(args, words);
    const createdBy = mounts === "" ? said : `${said} # ${mounts}`;
    return { key: createdBy, createdBy };
  },
  failed: (words, code) => `The command '${words.join(" ")}' returned a non-zero code: ${code}`,
  namesParent: true,
};

const COMMENT = "buildkit.dockerfile.v0";

export const buildkitWording: Wording = {
  metadata: (_state, said) => ({ key: `buildkit ${said}`, createdBy: said, comment: COMMENT }),
  workdir: (_state, said) => ({ key: `buildkit ${said}`, createdBy: said, comment: COMMENT }),
  copy: (_state, { keyword, flags, sources, hash, target }) => ({
    key: `buildkit ${keyword} ${flags}${hash} in ${target}`,
    createdBy: `${keyword} ${flags}${[...sources, target].join(" ")} # buildkit`,
    comment: COMMENT,
  }),
  run(args, words, mounts) {
    const createdBy = `RUN ${withArgs(args, words)} # buildkit`;
    return { key: `buildkit ${createdBy} ${mounts}`, createdBy, comment: COMMENT };
  },
  failed: (words, code) =>
    `process ${JSON.stringify(words.join(" "))} did not complete successfully: exit code: ${code}`,
  namesParent: false,
};
