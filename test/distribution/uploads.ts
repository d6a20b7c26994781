// The writing half of the registry in this process: uploads, mounts, manifests.
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Bend, digestOf, type FakeRegistry } from "./fake-registry.ts";

interface Session {
  repository: string;
  bytes: Buffer;
}

export class Uploads {
  readonly sessions = new Map<string, Session>();
  /** Repository → digests; blobs of the registry itself count for every repository that asks for them. */
  readonly held = new Map<string, Set<string>>();
  /** "PATCH 0-99", "PUT 1234", "MOUNT from", "POST", "DELETE" in their order. */
  readonly log: string[] = [];
  /** Authorization of each request. */
  readonly authorization: (string | undefined)[] = [];
  /** Bends a request before it is answered. */
  bend: Bend = () => undefined;
  #serial = 0;

  constructor(private readonly registry: FakeRegistry) {
    registry.bend = (request, response) => this.#answer(request, response);
  }

  has(repository: string, digest: string): boolean {
    return this.held.get(repository)?.has(digest) ?? false;
  }

  #hold(repository: string, bytes: Uint8Array): string {
    const digest = digestOf(bytes);
    this.registry.blobs.set(digest, bytes);
    this.held.set(repository, (this.held.get(repository) ?? new Set()).add(digest));
    return digest;
  }

  #answer(request: IncomingMessage, response: ServerResponse): boolean {
    this.authorization.push(request.headers.authorization);
    if (this.bend(request, response)) return true;
    const { method, url = "" } = request;
    const at = new URL(url, "http://registry");
    const blob = /^\/v2\/(.+)\/blobs\/(sha256:[0-9a-f]+)$/.exec(at.pathname);
    if (blob && (method === "HEAD" || method === "GET")) {
      if (this.has(blob[1]!, blob[2]!)) return false;
      response.writeHead(404).end();
      return true;
    }
    const upload = /^\/v2\/(.+)\/blobs\/uploads\/(.*)$/.exec(at.pathname);
    if (upload) {
      void this.#upload(request, response, at, upload[1]!, upload[2]!);
      return true;
    }
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(at.pathname);
    if (manifest && method === "PUT") {
      void body(request).then((bytes) => {
        this.log.push(`MANIFEST ${manifest[2]!.slice(0, 7)}`);
        const made = this.registry.raw(
          bytes.toString(),
          request.headers["content-type"] ?? "",
          manifest[2]!.startsWith("sha256:") ? undefined : manifest[2],
        );
        response.writeHead(201, { "docker-content-digest": made.digest }).end();
      });
      return true;
    }
    return false;
  }

  async #upload(
    request: IncomingMessage,
    response: ServerResponse,
    at: URL,
    repository: string,
    id: string,
  ): Promise<void> {
    const { method } = request;
    const answer = (status: number, session: string, size: number) =>
      response
        .writeHead(status, {
          location: `/v2/${repository}/blobs/uploads/${session}?_state=a%2Bb`,
          range: `0-${Math.max(size - 1, 0)}`,
          "content-length": 0,
        })
        .end();
    if (method === "POST") {
      const [mount, from] = [at.searchParams.get("mount"), at.searchParams.get("from")];
      if (mount && from && this.has(from, mount)) {
        this.log.push(`MOUNT ${from}`);
        this.#hold(repository, this.registry.blobs.get(mount)!);
        return void response.writeHead(201, { location: `/v2/${repository}/blobs/${mount}` }).end();
      }
      const session = `u${++this.#serial}`;
      this.sessions.set(session, { repository, bytes: Buffer.alloc(0) });
      this.log.push("POST");
      return void answer(202, session, 0);
    }
    const session = this.sessions.get(id);
    if (!session) return void response.writeHead(404).end();
    if (method === "GET") return void answer(204, id, session.bytes.length);
    if (method === "DELETE") {
      this.log.push("DELETE");
      this.sessions.delete(id);
      return void response.writeHead(204).end();
    }
    const range = request.headers["content-range"];
    if (range !== undefined && Number(range.split("-")[0]) !== session.bytes.length) {
      return void response.writeHead(416, { range: `0-${session.bytes.length - 1}` }).end();
    }
    const started = session.bytes;
    const received = await body(request, (part) => {
      session.bytes = Buffer.concat([session.bytes, part]);
    }).catch(() => undefined);
    if (!received) return;
    this.log.push(`${method} ${range ?? received.length}`);
    if (method === "PATCH") return void answer(202, id, session.bytes.length);
    const whole = Buffer.concat([started, received]);
    const wanted = at.searchParams.get("digest");
    if (digestOf(whole) !== wanted || at.searchParams.get("_state") !== "a+b") {
      response.writeHead(400, { "content-type": "application/json" });
      return void response.end(`{"errors":[{"code":"DIGEST_INVALID","message":"digest did not match"}]}`);
    }
    this.sessions.delete(id);
    this.#hold(repository, whole);
    response.writeHead(201, { "docker-content-digest": wanted }).end();
  }
}

/** A request's body; `part` sees the pieces as they come. */
function body(request: IncomingMessage, part: (bytes: Buffer) => void = () => {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    request.on("data", (bytes: Buffer) => {
      parts.push(bytes);
      part(bytes);
    });
    request.on("end", () => resolve(Buffer.concat(parts)));
    request.on("error", reject);
    request.on("close", () => reject(new Error("cut")));
  });
}
