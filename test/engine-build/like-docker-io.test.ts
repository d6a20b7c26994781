// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles are full of them
// The same Dockerfiles built by our engine and by Debian's dockerd: same configuration, same history, same files.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { ImageHistoryItem, ImageInspect, ProgressLine } from "../../src/spec/engine/image.ts";
import { built } from "../support/binary.ts";
import { type RealDaemon, realDockerd, startRealDaemon } from "../support/docker-io.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must } from "../support/process.ts";
import { tar } from "../support/tar.ts";

const why = !built
  ? "dist/bunker is not built"
  : !realDockerd
    ? "Debian's docker.io is not installed"
    : !Bun.which("skopeo")
      ? "skopeo is not installed"
      : undefined;

const inner = tar([
  { name: "d/", type: "5", mode: 0o711, uid: 3, gid: 4 },
  { name: "d/f", content: "inner", uid: 3, gid: 4 },
  { name: "s", type: "2", link: "d/f" },
]);

/** The context that all of them share. */
const FILES: Record<string, string | Uint8Array> = {
  "a.txt": "A",
  "b.txt": "B",
  ".hidden": "h",
  "tree/f": "F",
  "tree/.dot": "d",
  "tree/sub/deep/g": "G",
  "other/h": "H",
  "x.tar": inner,
  "x.tar.gz": gzipSync(inner),
  "skipped/no": "n",
  ".dockerignore": "skipped\n**/*.tmp\nDockerfile*\n",
};

const DOCKERFILES: Record<string, string> = {
  metadata: `FROM busybox
MAINTAINER Some One <some@one>
ENV A=1 B="two words" C='sin gle' D=esc\\ aped
ENV OLD old style value
LABEL one=1 "two"="2 2" three=\${A}
EXPOSE 80 443/tcp 53/udp 8000-8002
VOLUME /data /more
VOLUME ["/json"]
USER www-data:users
WORKDIR /w
WORKDIR sub/$A
STOPSIGNAL SIGQUIT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=30s --timeout=5s --retries=3 CMD wget -q localhost
ONBUILD COPY . /app
ONBUILD RUN echo built
CMD echo hi`,
  "entrypoint after cmd": `FROM busybox
CMD ["a", "b"]
ENTRYPOINT ["/e"]`,
  "cmd is dropped by a child's entrypoint": `FROM busybox AS base
CMD ["a"]
FROM base
ENTRYPOINT ["/e"]`,
  "shell forms": `FROM busybox
ENTRYPOINT exec top -b
CMD ls  -la   "x y"`,
  "health check none": `FROM busybox
HEALTHCHECK NONE`,
  arguments: `ARG BASE=busybox
ARG UNUSED
FROM $BASE
ARG WITH=default
ARG WITHOUT
ARG BASE
RUN echo "$WITH/$WITHOUT/$BASE" > /args
ENV WITH=env
RUN echo "$WITH" >> /args
COPY a.txt /\${WITH:-none}-\${NOPE:-def}\${WITH:+-set}`,
  copies: `FROM busybox
COPY a.txt /one
COPY a.txt b.txt /dir/
COPY *.txt /wild/
COPY tree /tree
COPY tree/ /tree2/
COPY tree/sub /into/existing/
COPY other /into/existing
COPY . /all/
COPY --chown=www-data tree /owned
COPY --chown=7:8 a.txt /num/deep/a
COPY --chown=nobody:users a.txt /named/
COPY ["a.txt", "with blank"]`,
  "links on the way": `FROM busybox
RUN mkdir -p /real/there && ln -s real /link && ln -s /real/there /abs && ln -s nowhere /dangling
COPY a.txt /link/f
COPY tree /abs/
COPY a.txt /abs`,
  archives: `FROM busybox
ADD x.tar /plain/
ADD x.tar.gz /gz
COPY x.tar /copied.tar
ADD a.txt /added
ADD --chown=9:9 a.txt /added9`,
  workdir: `FROM busybox
WORKDIR /a/b/c
RUN pwd > here
USER 5:6
WORKDIR d
WORKDIR /tmp`,
  runs: `FROM busybox
RUN echo one > /one
RUN rm -r /home && mkdir -m 700 /home && touch /home/new
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN ln -s one /link; ln /one /hard; mkfifo /fifo; chmod 4755 /exec; chown 3:4 /exec
RUN rm /one; echo again > /one
RUN true
RUN set -e; \\
    # a comment between \\
    echo continued > /cont`,
  "a volume's content is not kept": `FROM busybox
RUN mkdir /v && echo before > /v/before
VOLUME /v
RUN echo after > /v/after; echo out > /out`,
  stages: `FROM busybox AS one
RUN mkdir /out && echo made > /out/made && ln -s made /out/link && chown -R 3:4 /out
FROM busybox AS two
COPY --from=one /out /from-name
COPY --from=0 /out/made /out/link /from-number/
COPY --from=one --chown=5:5 /out/ /owned/
FROM scratch
COPY --from=two /bin/busybox /bin/
COPY --from=one /out/made /made
CMD ["/bin/busybox", "cat", "/made"]`,
  "what another stage owns": `FROM busybox AS one
RUN mkdir -p /out/sub && echo made > /out/sub/made && ln -s made /out/link && chown -R 3:4 /out && chmod 700 /out
FROM busybox
COPY --from=one /out /new
COPY --from=one /out/ /tmp/
COPY --from=one /out/sub/made /deep/er/
COPY --from=one --chown=5:5 /out/ /owned/`,
  "scratch with nothing but metadata": `FROM scratch
ENV A=b
CMD ["x"]`,
  "another escape character": `# escape=\`
FROM busybox
RUN echo a\\b > /f && \`
  echo more >> /f
ENV P=C:\\dir Q=a\`$b`,
};

interface Daemon {
  host: string;
  images: Map<string, string>;
}

describe.skipIf(why !== undefined)(
  why ? `builds like Debian's dockerd (skipped: ${why})` : "builds like Debian's dockerd",
  () => {
    let netns: Netns;
    let engine: Engine;
    let real: RealDaemon;
    let directory: string;
    const daemons: Daemon[] = [];

    const call = (daemon: Daemon, path: string, init: RequestInit = {}) =>
      fetch(`http://docker/v1.41${path}`, {
        ...init,
        unix: daemon.host.replace("unix://", ""),
      } as RequestInit);

    beforeAll(async () => {
      netns = await makeNetns();
      [engine, real] = await Promise.all([startEngine(netns), startRealDaemon(netns)]);
      directory = join(engine.dir, "context");
      for (const [name, content] of Object.entries(FILES)) {
        mkdirSync(dirname(join(directory, name)), { recursive: true });
        writeFileSync(join(directory, name), content);
      }
      await must(["chmod", "-R", "u=rwX,g=rX,o=rX", directory]);
      await must(["chmod", "0700", join(directory, "tree", "sub")]);
      const archive = join(engine.dir, "busybox.tar");
      await must([
        "skopeo",
        "--insecure-policy",
        `--tmpdir=${engine.dir}`,
        "copy",
        "-q",
        `oci:${await busyboxImage()}:latest`,
        `docker-archive:${archive}:busybox:latest`,
      ]);
      for (const { host } of [engine, real]) {
        const daemon = { host, images: new Map() };
        daemons.push(daemon);
        await (
          await call(daemon, "/images/load", { method: "POST", body: await Bun.file(archive).bytes() })
        ).text();
      }
    }, 120_000);

    afterAll(async () => {
      await real?.[Symbol.asyncDispose]();
      await engine?.[Symbol.asyncDispose]();
      await netns?.[Symbol.asyncDispose]();
    }, 60_000);

    async function build(daemon: Daemon, dockerfile: string): Promise<string> {
      writeFileSync(join(directory, "Dockerfile.test"), dockerfile);
      const excluded = ["--exclude=./skipped", "--exclude=*.tmp"];
      const child = Bun.spawn(["tar", "-C", directory, "--owner=0", "--group=0", ...excluded, "-c", "."], {
        stdout: "pipe",
      });
      const body = await new Response(child.stdout).bytes();
      const query = `dockerfile=Dockerfile.test&networkmode=none&buildargs=${encodeURIComponent('{"WITHOUT":"given"}')}`;
      const response = await call(daemon, `/build?${query}`, { method: "POST", body });
      const lines = (await response.text())
        .trim()
        .split("\r\n")
        .map((line) => JSON.parse(line) as ProgressLine);
      const failed = lines.find((line) => line.error);
      if (failed) throw new Error(failed.error);
      return (lines.findLast((line) => line.aux)!.aux as { ID: string }).ID;
    }

    /** Everything but what no two builds have in common: times, ids, hashes of sources. */
    async function facts(daemon: Daemon, id: string) {
      const shown = (await (await call(daemon, `/images/${id}/json`)).json()) as ImageInspect;
      const history = (await (await call(daemon, `/images/${id}/history`)).json()) as ImageHistoryItem[];
      const { Image: _image, Hostname: _hostname, ...config } = shown.Config!;
      const created = (await (
        await call(daemon, "/containers/create", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ Image: id, Cmd: ["x"] }),
        })
      ).json()) as { Id: string };
      const archive = await (await call(daemon, `/containers/${created.Id}/export`)).arrayBuffer();
      await call(daemon, `/containers/${created.Id}?v=1`, { method: "DELETE" });
      const list = await new Response(
        Bun.spawn(["tar", "tv", "--numeric-owner"], { stdin: new Uint8Array(archive), stdout: "pipe" })
          .stdout,
      ).text();
      return {
        author: shown.Author,
        config,
        history: history.map(({ CreatedBy }) =>
          CreatedBy.replace(/(file|dir|multi):[0-9a-f]{64}/g, "$1:…")
            // StartInterval came with 25.
            .replace(/^(.*HEALTHCHECK &\{\[.*\]( "[^"]*"){3}) "0s"( .*)$/, "$1$3"),
        ),
        files: list
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => {
            const [mode, owner, size, , , ...name] = line.split(/\s+/);
            return [name.join(" ").replace(/ link to /, " -> "), mode, owner, size].join(" ");
          })
          // What each daemon puts into every container, and busybox's own programs.
          .filter((line) => !/^(dev|proc|sys|etc)\/|^(dev|proc|sys|etc|\.dockerenv)\b|^bin\//.test(line))
          .sort(),
      };
    }

    test.each(Object.keys(DOCKERFILES))("%s", async (name) => {
      const [ours, theirs] = [daemons[0]!, daemons[1]!];
      const one = await facts(ours, await build(ours, DOCKERFILES[name]!));
      const other = await facts(theirs, await build(theirs, DOCKERFILES[name]!));
      expect(one).toEqual(other);
    });
  },
);
