// The addresses that the API is served on: unix sockets, TCP with or without TLS, and sockets that systemd handed over.
import { chmodSync, chownSync, mkdirSync, readFileSync, unlinkSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { log } from "../../../observe/log.ts";
import type { EngineConfig, Listen } from "../config/types.ts";

export interface Listeners {
  addresses: string[];
  /** Takes no new connection. */
  close(): void;
  /** Drops the connections that are still open. */
  drop(): void;
}

interface Listener {
  /** As dockerd names it in its log: "/run/docker.sock", "127.0.0.1:2375". */
  readonly address: string;
  close(): void;
}

type Handler = (socket: Socket) => void;

/** First descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_FD = 3;

function open(server: Server, where: Parameters<Server["listen"]>[0], name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const why =
        error.code === "EADDRINUSE" ? "bind: address already in use" : (error.code ?? error.message);
      reject(new Error(`failed to load listeners: listen ${name}: ${why}`, { cause: error }));
    };
    server.once("error", fail);
    server.listen(where, () => {
      server.off("error", fail);
      server.on("error", (error) => log("error", "Listener failed", { address: name, error }));
      resolve();
    });
  });
}

/** Group id by name or number, from /etc/group; undefined when there is no such group. */
export function groupId(group: string): number | undefined {
  if (/^\d+$/.test(group)) return Number(group);
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${group}:`));
  return line === undefined ? undefined : Number(line.split(":")[2]);
}

async function unixListener(path: string, group: string, handler: Handler): Promise<Listener> {
  mkdirSync(dirname(path), { recursive: true });
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new Error(
        `failed to load listeners: can't create unix socket ${path}: ${(error as Error).message}`,
      );
    }
  }
  const server = createServer({ allowHalfOpen: true }, handler);
  const mask = process.umask(0o177);
  try {
    await open(server, { path }, `unix ${path}`);
  } finally {
    process.umask(mask);
  }
  const gid = group === "" ? undefined : groupId(group);
  if (gid !== undefined) chownSync(path, 0, gid);
  else if (group === "docker") log("debug", `group docker not found; ${path} is root's alone`);
  else if (group !== "") {
    server.close();
    throw new Error(`failed to load listeners: can't create unix socket ${path}: group ${group} not found`);
  }
  chmodSync(path, 0o660);
  return { address: path, close: () => void server.close() };
}

function warnOfPlainTcp(host: string): void {
  for (const text of [
    "Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network.",
    "Binding to an IP address, even on localhost, can also give access to scripts run in a browser. Be safe out there!",
    "[DEPRECATION NOTICE] In future versions this will be a hard failure preventing the daemon from starting! Learn more at: https://docs.docker.com/go/api-security/",
  ]) {
    log("warning", text, { host });
  }
}

async function tcpListener(
  config: EngineConfig,
  host: string,
  port: number,
  handler: Handler,
): Promise<Listener> {
  const { tls } = config;
  const name = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (!tls?.verify) warnOfPlainTcp(`tcp://${name}`);
  const server: Server = tls
    ? createTlsServer(
        {
          allowHalfOpen: true,
          cert: readFileSync(tls.cert),
          key: readFileSync(tls.key),
          minVersion: "TLSv1.2",
          ...(tls.ca && tls.verify ? { ca: readFileSync(tls.ca) } : {}),
          requestCert: tls.verify,
          rejectUnauthorized: tls.verify,
        },
        handler,
      ).on("tlsClientError", (error) => log("debug", "TLS handshake failed", { error }))
    : createServer({ allowHalfOpen: true }, handler);
  await open(server, { host, port }, `tcp ${name}`);
  return { address: name, close: () => void server.close() };
}

interface Activation {
  count: number;
  names: string[];
}

let activation: Activation | undefined;

// sd_listen_fds(3). Read once and taken out of the environment: the sockets are not for the children of this process.
function readActivation(): Activation {
  const count = Number(process.env["LISTEN_FDS"] ?? "0");
  const ours = process.env["LISTEN_PID"] === String(process.pid) && Number.isInteger(count);
  const names = (process.env["LISTEN_FDNAMES"] ?? "").split(":");
  for (const variable of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete process.env[variable];
  return { count: ours ? count : 0, names };
}

function activatedFds(name: string): number[] {
  activation ??= readActivation();
  const { count, names } = activation;
  if (count < 1) {
    throw new Error(
      "failed to load listeners: no sockets found via socket activation: make sure the service was started by systemd",
    );
  }
  const all = Array.from({ length: count }, (_, i) => FIRST_FD + i);
  if (name === "" || name === "*") return all;
  const chosen = all.filter((fd, i) => String(fd) === name || names[i] === name);
  if (chosen.length === 0) {
    throw new Error(`failed to load listeners: failed to find systemd activated sockets for ${name}`);
  }
  return chosen;
}

async function openOne(config: EngineConfig, listen: Listen, handler: Handler): Promise<Listener[]> {
  switch (listen.kind) {
    case "unix":
      return [await unixListener(listen.path, config.group, handler)];
    case "tcp":
      return [await tcpListener(config, listen.host, listen.port, handler)];
    case "fd":
      return Promise.all(
        activatedFds(listen.name).map(async (fd) => {
          const server = createServer({ allowHalfOpen: true }, handler);
          await open(server, { fd }, `fd ${fd}`);
          return { address: `fd://${fd}`, close: () => void server.close() };
        }),
      );
  }
}

/** Opens every configured address. All or none: on a failure those already open are closed and the error is thrown. */
export async function openListeners(config: EngineConfig, http: HttpServer): Promise<Listeners> {
  const connections = new Set<Socket>();
  const handler: Handler = (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    http.emit("connection", socket);
  };
  const listeners: Listener[] = [];
  const close = (): void => {
    for (const listener of listeners) listener.close();
  };
  try {
    for (const listen of config.listen) listeners.push(...(await openOne(config, listen, handler)));
  } catch (error) {
    close();
    throw error;
  }
  return {
    addresses: listeners.map((listener) => listener.address),
    close,
    drop() {
      for (const socket of connections) socket.destroy();
    },
  };
}
