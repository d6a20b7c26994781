// The same command lines through (the real CLI → our engine), (our CLI → our engine) and (the real CLI → Debian's dockerd): exit
// codes and what is printed, with ids, times and sizes made alike.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, linkRoles, realDocker } from "../support/binary.ts";
import { realDockerd, startRealDaemon } from "../support/docker-io.ts";
import { startEngine } from "../support/engine.ts";
import { busyboxRootfs } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, run } from "../support/process.ts";
import { DIFFERENT, SOMETIMES } from "./docker-io-differences.ts";
import { commandLines } from "./lines.ts";

interface Said {
  line: string;
  code: number;
  stdout: string;
  stderr: string;
}

/** Words of a command line; single quotes keep blanks together. */
const words = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s']+|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ""));

/** Ids by the order they appear in; times, sizes, pids and temporary names by what they are. */
function normaliser(dir: string) {
  const ids = new Map<string, string>();
  const idOf = (id: string): string => {
    const short = id.slice(0, 12);
    if (!ids.has(short)) ids.set(short, `<id ${ids.size + 1}>`);
    return ids.get(short)!;
  };
  return (text: string): string =>
    text
      .replaceAll(dir, "DIR")
      // The real one's archive writer complains, or does not, when the copy was refused meanwhile.
      .replace(/^time="[^"]*" level=error msg="Can't (add file|close tar writer).*\n/gm, "")
      .replace(/DEPRECATED: The legacy builder[\s\S]*?go\/buildx\/\n\n/, "")
      .replace(/\b(sha256:)?[0-9a-f]{64}\b/g, (id) => idOf(id.replace("sha256:", "")))
      .replace(/\b[0-9a-f]{12}\b/g, idOf)
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[ +-][\d:]+( UTC)?)?/g, "<time>")
      .replace(/(Less than a|About a|About an|\d+) (second|minute|hour)s?( ago)?/g, "<age>")
      .replace(/\b\d+(\.\d+)?(B|kB|MB|GB)\b/g, "<size>")
      .replace(/^( *)\d+(?= +sleep )/gm, "$1<pid>")
      // Go's own types and its parser's order of complaints are not worth having.
      .replace(/can't evaluate field (\w+) in type \*formatter\.\w+/, 'map has no entry for key "$1"')
      // An open difference: an unknown network is refused at create for our client, at start for the real one.
      .replace("failed to set up container networking: ", "")
      .replace('function "bad" not defined', "unclosed action")
      .replace(/ {2,}/g, "  ")
      .trimEnd();
}

/** Fills a fresh engine and runs all lines with one client. */
async function play(
  dir: string,
  docker: (args: string[], stdin?: string) => Promise<{ code: number; stdout: string; stderr: string }>,
) {
  const imported = await docker([
    "import",
    "-c",
    'CMD ["sh"]',
    "-c",
    "ENV PATH=/bin",
    join(dir, "bb.tar"),
    "bb",
  ]);
  if (imported.code !== 0) throw new Error(imported.stderr);
  const plain = normaliser(dir);
  const said: Said[] = [];
  for (const line of commandLines) {
    const [command = "", stdin] = line.split(" < ");
    const result = await docker(
      words(command).map((word) => word.replaceAll("@", dir)),
      stdin === undefined ? undefined : `${stdin}\n`,
    );
    said.push({ line, code: result.code, stdout: plain(result.stdout), stderr: plain(result.stderr) });
  }
  return said;
}

/** Ids without their numbers: an engine that shows one more gives other numbers to all that follow. */
const unnumbered = ({ line, code, stdout, stderr }: Said): Said => {
  const plain = (text: string) => text.replace(/<id \d+>/g, "<id>");
  return { line, code, stdout: plain(stdout), stderr: plain(stderr) };
};

describe.skipIf(!built || !realDocker || process.getuid!() !== 0)("the same command lines", () => {
  const dir = mkdtempSync(join(tmpdir(), "bunker-differential-"));
  const archive = join(dir, "bb.tar");
  let plays: Record<"theirs" | "ours" | "dockerIo", Promise<Said[]>>;

  /** What the lines work on, in a directory of each play's own. */
  function ground(name: string): string {
    const own = join(dir, name);
    mkdirSync(join(own, "shared", "sub"), { recursive: true });
    writeFileSync(join(own, "shared", "file"), "shared\n");
    writeFileSync(join(own, "shared", "sub", "deep"), "deep\n");
    mkdirSync(join(own, "context"));
    writeFileSync(
      join(own, "context", "Dockerfile"),
      'FROM bb\nWORKDIR /w\nCOPY Dockerfile copied\nRUN echo made > there\nLABEL x=y\nCMD ["cat", "there"]\n',
    );
    writeFileSync(join(own, "context", "Bad"), "FROM bb\nNOSUCH x\n");
    writeFileSync(join(own, "Outside"), "FROM bb\nRUN echo made > /made\n");
    linkSync(archive, join(own, "bb.tar"));
    return own;
  }

  async function on(
    name: string,
    client: string,
    start: (netns: Netns) => Promise<AsyncDisposable & { host: string }>,
  ): Promise<Said[]> {
    const own = ground(name);
    await using netns = await makeNetns();
    await using engine = await start(netns);
    return await play(own, (args, stdin) =>
      run(netns.inside([client, "-H", engine.host, ...args]), {
        env: { DOCKER_CONFIG: join(own, "config") },
        stdin: stdin ?? "",
        deadline: 30_000,
      }),
    );
  }

  beforeAll(async () => {
    await busyboxRootfs(join(dir, "rootfs"));
    await must(["tar", "-C", join(dir, "rootfs"), "-cf", archive, "."]);
    // Side by side: they wait more than they work. The programs' names in their own words are the same: all are called docker.
    plays = {
      theirs: on("theirs", realDocker!, startEngine),
      ours: on("ours", join(linkRoles(), "docker"), startEngine),
      dockerIo: realDockerd
        ? on("docker-io", realDocker!, (netns) => startRealDaemon(netns, []))
        : Promise.resolve([]),
    };
    for (const one of Object.values(plays)) one.catch(() => {});
  });
  afterAll(async () => {
    await Promise.allSettled(Object.values(plays));
    rmSync(dir, { recursive: true, force: true });
  });

  test("our client and the real one, on our engine", async () => {
    expect(await plays.ours).toEqual(await plays.theirs);
  }, 240_000);

  test.skipIf(!realDockerd)(
    "the real client, on our engine and on Debian's dockerd 20.10",
    async () => {
      const here = (await plays.theirs).map(unnumbered);
      const there = (await plays.dockerIo).map(unnumbered);
      const alike = here.filter((said, i) => Bun.deepEquals(said, there[i]));
      console.log(
        `${alike.length} of ${here.length} lines alike, ${Object.keys(DIFFERENT).length} differ with a reason`,
      );
      const excused = (said: Said) => DIFFERENT[said.line] !== undefined;
      expect(here.filter((said) => !excused(said))).toEqual(there.filter((said) => !excused(said)));
      // A reason that is none any more goes from the table.
      expect(alike.filter((said) => excused(said) && !SOMETIMES.has(said.line))).toEqual([]);
    },
    240_000,
  );
});
