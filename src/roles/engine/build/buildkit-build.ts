// POST /build?version=2: what BuildKit's clients ask for. The context stays with the client and comes through its session, or
// is the request's body; the answer is a line for every change of a step.
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import { anySignal } from "../server/any-signal.ts";
import type { RouteContext } from "../server/request.ts";
import { streamJson } from "../server/stream.ts";
import { type Credentials, credentialsIn } from "./base.ts";
import { type BuildContext, receiveContext } from "./context.ts";
import { contextPaths } from "./context-paths.ts";
import { deliver, destinationOf } from "./deliver.ts";
import { type BuildOptions, readRegistryConfig } from "./options.ts";
import { counted, perform, type ReadDockerfile, readDockerfile } from "./perform.ts";
import { giveUpload, register, uploadFor } from "./running.ts";
import { clientContext } from "./session/client-context.ts";
import type { ClientSession } from "./session/client-session.ts";
import { credentialsOf } from "./session/credentials.ts";
import { findSession } from "./session/sessions.ts";
import { checkSyntax } from "./syntax.ts";
import { TraceReport } from "./trace-report.ts";
import { buildkitWording } from "./wording.ts";

const UPLOAD = "upload-request";

/** Asks the client; what came with the request is for those that have no session. */
function credentialsFor(
  session: ClientSession | undefined,
  given: Credentials,
  signal: AbortSignal,
): Credentials {
  return async (domain) =>
    (session && (await credentialsOf(session, domain, signal))) ?? (await given(domain));
}

/** "host" and "none" are what BuildKit's steps can have beside their own network. */
function checkNetwork({ host }: BuildOptions): void {
  const mode = String(host["NetworkMode"] ?? "");
  if (!["", "default", "host", "none"].includes(mode)) {
    throw badRequest(`network mode ${JSON.stringify(mode)} not supported by buildkit`);
  }
}

export async function buildkitBuild(
  engine: Engine,
  c: RouteContext,
  options: BuildOptions,
): Promise<Response> {
  const body = c.req.raw.body as AsyncIterable<Uint8Array> | null;
  if (options.buildId.startsWith(`${UPLOAD}:`)) {
    if (!body) throw badRequest("the build needs a context: the request has no body");
    await giveUpload(options.buildId.slice(UPLOAD.length + 1), body);
    return c.body(null, 200);
  }
  checkNetwork(options);
  const destination = destinationOf(options);
  const cancel = new AbortController();
  const registered = register(options.buildId, cancel);
  const { dataRoot } = engine.config;
  const atClient = options.remote === "client-session";
  let session: ClientSession | undefined;
  let received: BuildContext | undefined;
  try {
    using early = anySignal([c.req.raw.signal, engine.shutdown, cancel.signal]);
    if (atClient && options.session === "") throw badRequest("a context in a session needs the session's id");
    session = options.session === "" ? undefined : await findSession(options.session, early.signal);
    if (!atClient) {
      const upload = options.remote === UPLOAD;
      const source = upload ? await uploadFor(options.buildId) : body;
      const remote = upload ? "" : options.remote;
      received = await receiveContext(dataRoot, { ...options, remote }, source, early.signal);
    }
  } catch (error) {
    registered[Symbol.dispose]();
    throw error;
  }
  const given = credentialsIn(readRegistryConfig(c.req.header("x-registry-config")));
  return streamJson(c, { shutdown: engine.shutdown }, async (write, gone) => {
    using _registered = registered;
    const signal = AbortSignal.any([gone, cancel.signal]);
    // A client without its session is gone, whatever its other connections look like.
    void session?.closed.then(() => cancel.abort(new Error("the client's session ended")));
    const report = new TraceReport(write, options.quiet);
    let dockerfile: ReadDockerfile | undefined;
    await counted(report, signal, async () => {
      using context =
        received ??
        (await clientContext(dataRoot, options, { session: session!, report, signal }, () =>
          contextPaths(dockerfile!.plan),
        ));
      dockerfile = readDockerfile(context.dockerfile);
      checkSyntax(options.buildArgs["BUILDKIT_SYNTAX"] ?? dockerfile.syntax);
      const credentials = credentialsFor(session, given, signal);
      const build = { engine, options, context, dockerfile, report, session, credentials, signal };
      const ground = {
        services: engine.services,
        namespace: engine.namespace,
        snapshotter: engine.config.snapshotter,
      };
      const send = async (id: string): Promise<void> => {
        if (destination === "images") return;
        const { chainId } = await engine.images.get(id);
        await deliver(ground, chainId, destination, { session, report, signal });
      };
      await perform({
        ...build,
        wording: buildkitWording,
        ...(destination === "images" ? {} : { deliver: send }),
      });
    });
  });
}
