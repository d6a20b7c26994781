// One container's resolver: two sockets in its network namespace, which live on there whatever becomes of the engine.
import { O_RDONLY } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { open } from "../../../ffi/file.ts";
import { inNetns } from "../../../ffi/netns.ts";
import { log } from "../../observe/log.ts";
import { type Question, RCODE, readQuestion, reply } from "../../wire/dns/message.ts";
import { type EndpointFile, RESOLVER_ADDRESS } from "../../wire/keeper/record.ts";
import { answer, TTL } from "./answer.ts";
import { hostResolvers } from "./host-resolvers.ts";
import { redirect } from "./redirect.ts";
import type { Table } from "./table.ts";
import { askUpstream, framed, type Place } from "./upstream.ts";

/** More questions at once than this wait for upstream: the next one is refused, so that no container can exhaust the keeper. */
const MOST_PENDING = 1000;
/** A question over TCP is a few hundred bytes; whoever sends more is no client. */
const LONGEST_TCP = 4096;

interface Connection {
  received: Buffer;
}

export class Resolver {
  #udp: Bun.udp.Socket<"buffer"> | undefined;
  #tcp: Bun.TCPSocketListener<Connection> | undefined;
  #namespace: Fd | undefined;
  #pending = 0;
  #closed = false;

  constructor(
    readonly containerId: string,
    /** /proc/PID/ns/net */
    readonly netns: string,
    readonly table: Table,
  ) {}

  /** Opens the sockets. Throws when the namespace is gone. */
  async open(): Promise<void> {
    this.#namespace = open(this.netns, O_RDONLY);
    const namespace = this.#namespace;
    // Both calls make and bind their socket at once; only what they return comes later.
    const opened = inNetns(namespace, () => {
      const udp = Bun.udpSocket({
        hostname: RESOLVER_ADDRESS,
        port: 0,
        socket: {
          data: (socket, bytes, port, address) => {
            void this.#handle(Uint8Array.from(bytes), "udp").then((answered) => {
              if (answered && !this.#closed) socket.send(answered, port, address);
            });
          },
          error: () => {},
        },
      });
      const tcp = Bun.listen<Connection>({
        hostname: RESOLVER_ADDRESS,
        port: 0,
        data: { received: Buffer.alloc(0) },
        socket: {
          open(socket) {
            socket.data = { received: Buffer.alloc(0) };
            socket.timeout(30);
          },
          data: (socket, bytes) => this.#stream(socket, bytes),
          timeout: (socket) => void socket.end(),
          error: () => {},
        },
      });
      return { value: { udp, tcp } };
    });
    this.#tcp = opened.value.tcp;
    this.#udp = await opened.value.udp;
    const ports = { udp: this.#udp.port, tcp: this.#tcp.port };
    inNetns(namespace, () => redirect(ports));
  }

  #stream(socket: Bun.Socket<Connection>, bytes: Uint8Array): void {
    const connection = socket.data;
    connection.received = Buffer.concat([connection.received, bytes]);
    for (;;) {
      const { received } = connection;
      if (received.length < 2) return;
      const length = received.readUInt16BE(0);
      if (length > LONGEST_TCP) return void socket.end();
      if (received.length < 2 + length) return;
      const query = Uint8Array.from(received.subarray(2, 2 + length));
      connection.received = received.subarray(2 + length);
      void this.#handle(query, "tcp").then((answered) => {
        if (answered && !this.#closed) socket.write(framed(answered));
      });
    }
  }

  /** The answer to a query, from here or from elsewhere; undefined for what is no query. */
  async #handle(query: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> {
    const question = readQuestion(query);
    if (!question) return undefined;
    if (question.opcode !== 0) return reply(query, question, RCODE.NOTIMP);
    const own = this.table.ofContainer(this.containerId);
    const limit = transport === "udp" ? question.udpSize : undefined;
    const answers = answer(this.table, own, question);
    if (answers) return reply(query, question, RCODE.NOERROR, answers, { ttl: TTL, limit });
    return (await this.#forward(query, question, transport, own)) ?? reply(query, question, RCODE.SERVFAIL);
  }

  async #forward(
    query: Uint8Array,
    question: Question,
    transport: "udp" | "tcp",
    own: readonly EndpointFile[],
  ): Promise<Uint8Array | undefined> {
    // On internal networks alone there is no way out, for questions neither.
    if (own.every(({ resolver }) => !resolver || resolver.internal)) return undefined;
    if (this.#pending >= MOST_PENDING) {
      log("warning", "too many questions wait for an answer", {
        container: this.containerId,
        name: question.name,
      });
      return undefined;
    }
    // Resolvers of the container's own are asked from where it is; the host's from the host, whose loopback they may be on.
    const asked = own.find(({ resolver }) => resolver && resolver.servers.length > 0)?.resolver?.servers;
    const here: Place = (work) => work();
    const inside: Place = (work) => {
      const box = inNetns(this.#namespace!, () => ({ value: work() }));
      return box.value;
    };
    this.#pending++;
    try {
      return await askUpstream(query, transport, asked ?? hostResolvers(), asked ? inside : here);
    } finally {
      this.#pending--;
    }
  }

  close(): void {
    this.#closed = true;
    this.#udp?.close();
    this.#tcp?.stop(true);
    this.#namespace?.close();
    this.#udp = undefined;
    this.#tcp = undefined;
    this.#namespace = undefined;
  }
}
