// An engine that knows nothing and writes down what it is asked: both clients are held against the same one.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Recorded {
  method: string;
  /** Without the version. */
  path: string;
  query: Record<string, string>;
  headers: Record<string, string | string[] | undefined>;
  /** JSON; undefined for none and for what is no JSON. */
  body: unknown;
  /** Bytes of the body. */
  size: number;
}

export interface Recorder extends AsyncDisposable {
  host: string;
  /** What was asked since the last call, pings apart. */
  take(): Recorded[];
}

/** Answers of the recorder, by "METHOD /path"; anything else is 404. */
export type Answers = Record<string, { status: number; body: unknown }>;

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

export async function startRecorder(answers: Answers = {}): Promise<Recorder> {
  const dir = mkdtempSync(join(tmpdir(), "bunker-recorder-"));
  const socket = join(dir, "docker.sock");
  let seen: Recorded[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const url = new URL(request.url ?? "/", "http://docker");
      const path = url.pathname.replace(/^\/v\d+\.\d+/, "");
      response.setHeader("Api-Version", "1.51");
      response.setHeader("Ostype", "linux");
      if (path === "/_ping") {
        response.end("OK");
        return;
      }
      seen.push({
        method: request.method ?? "",
        path,
        query: Object.fromEntries(
          [...new Set(url.searchParams.keys())]
            .sort()
            .map((key) => [key, url.searchParams.getAll(key).join(" & ")]),
        ),
        headers: request.headers,
        body: jsonOf(bytes),
        size: bytes.length,
      });
      const answer = answers[`${request.method} ${path}`] ?? {
        status: 404,
        body: { message: "no such thing" },
      };
      response.writeHead(answer.status, { "Content-Type": "application/json" });
      response.end(`${JSON.stringify(answer.body)}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    host: `unix://${socket}`,
    take() {
      const taken = seen;
      seen = [];
      return taken;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
