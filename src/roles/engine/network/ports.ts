// Host ports that are spoken for: by our containers (this table) and by every other program (a bound socket asks the kernel).
import { readFileSync } from "node:fs";
import { errnoText, isErrno, SyscallError } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { holdPort } from "../../../../ffi/inet.ts";
import { log } from "../../../observe/log.ts";
import { addressBytes, parseAddress } from "./address.ts";
import { NetworkError, type PortRequest } from "./types.ts";

/** One host port that leads to one port of a container. */
export interface Publication {
  protocol: PortRequest["protocol"];
  /** "0.0.0.0" is every address of the host. */
  hostIp: string;
  hostPort: number;
  containerPort: number;
}

const ANY = "0.0.0.0";
const FALLBACK_RANGE = { first: 49153, last: 65535 };

function ephemeralRange(): { first: number; last: number } {
  try {
    const [first, last] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
      .trim()
      .split(/\s+/)
      .map(Number);
    if (first && last && first <= last) return { first, last };
  } catch {
    // Without /proc/sys the range of RFC 6335 serves.
  }
  return FALLBACK_RANGE;
}

interface Held extends Publication {
  /** Absent where the kernel cannot hold the port (no SCTP, no descriptors left). */
  socket: Fd | undefined;
}

const clash = (one: Publication, other: Publication): boolean =>
  one.protocol === other.protocol &&
  one.hostPort === other.hostPort &&
  (one.hostIp === other.hostIp || one.hostIp === ANY || other.hostIp === ANY);

const key = ({ protocol, hostPort }: Publication) => `${hostPort}/${protocol}`;

export class HostPorts {
  /** By "8080/tcp": the few that differ in address. */
  readonly #held = new Map<string, Held[]>();
  #lastEphemeral = 0;

  /**
   * Takes all the ports of one container, or none. Returns them in the order asked.
   * `defaultIp` is for requests that name no address.
   * Throws NetworkError with docker's words (without the endpoint's prefix).
   */
  reserve(requests: readonly PortRequest[], defaultIp = ANY): Publication[] {
    const taken: Publication[] = [];
    try {
      for (const request of requests) taken.push(this.#reserveOne(request, defaultIp));
      return taken;
    } catch (error) {
      this.release(taken);
      throw error;
    }
  }

  #reserveOne(request: PortRequest, defaultIp: string): Publication {
    const hostIp = request.hostIp === "" ? defaultIp : request.hostIp;
    if (parseAddress(hostIp) === undefined) {
      throw new NetworkError(
        hostIp.includes(":")
          ? `publishing on an IPv6 address (${hostIp}) is not supported yet`
          : `invalid host IP address ${JSON.stringify(hostIp)}`,
        400,
      );
    }
    const wanted = { protocol: request.protocol, hostIp, containerPort: request.containerPort };
    if (request.hostPort === 0) return this.#reserveEphemeral(wanted);
    let refusal: unknown;
    for (let hostPort = request.hostPort; hostPort <= request.hostPortEnd; hostPort++) {
      try {
        return this.#take({ ...wanted, hostPort });
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        refusal = error;
      }
    }
    throw refusal ?? new NetworkError(`invalid port range ${request.hostPort}-${request.hostPortEnd}`, 400);
  }

  #reserveEphemeral(wanted: Omit<Publication, "hostPort">): Publication {
    const { first, last } = ephemeralRange();
    const count = last - first + 1;
    const start =
      this.#lastEphemeral >= first && this.#lastEphemeral < last ? this.#lastEphemeral + 1 : first;
    for (let at = 0; at < count; at++) {
      const hostPort = first + ((start - first + at) % count);
      try {
        const taken = this.#take({ ...wanted, hostPort });
        this.#lastEphemeral = hostPort;
        return taken;
      } catch (error) {
        if (!(error instanceof NetworkError) || !isErrno(error.cause, "EADDRINUSE", "EACCES")) throw error;
      }
    }
    throw new NetworkError("all ports are allocated", 500);
  }

  #take(publication: Publication): Publication {
    const { hostIp, hostPort, protocol } = publication;
    const others = this.#held.get(key(publication)) ?? [];
    if (others.some((other) => clash(other, publication))) {
      throw new NetworkError(`Bind for ${hostIp}:${hostPort} failed: port is already allocated`, 500, {
        cause: new SyscallError("bind", 98),
      });
    }
    this.#held.set(key(publication), [...others, { ...publication, socket: hold(publication) }]);
    return { protocol, hostIp, hostPort, containerPort: publication.containerPort };
  }

  /** Takes again what was published before this process started. Another program that has it by now is only warned about. */
  restore(publications: readonly Publication[]): void {
    for (const publication of publications) {
      let socket: Fd | undefined;
      try {
        socket = hold(publication);
      } catch (error) {
        log("warning", "a published port is in use by another program on this host", { error });
      }
      const others = this.#held.get(key(publication)) ?? [];
      this.#held.set(key(publication), [...others, { ...publication, socket }]);
    }
  }

  release(publications: readonly Publication[]): void {
    for (const publication of publications) {
      const others = this.#held.get(key(publication)) ?? [];
      const mine = others.find((other) => other.hostIp === publication.hostIp);
      mine?.socket?.close();
      const rest = others.filter((other) => other !== mine);
      if (rest.length === 0) this.#held.delete(key(publication));
      else this.#held.set(key(publication), rest);
    }
  }

  close(): void {
    for (const held of this.#held.values()) for (const { socket } of held) socket?.close();
    this.#held.clear();
  }
}

function hold({ protocol, hostIp, hostPort }: Publication): Fd | undefined {
  try {
    return holdPort(protocol, addressBytes(parseAddress(hostIp)!), hostPort);
  } catch (error) {
    // The port is published all the same; only no other program is kept from it.
    if (isErrno(error, "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EMFILE", "ENFILE")) {
      log("warning", "cannot hold a published port against other programs", { error });
      return undefined;
    }
    if (!(error instanceof SyscallError)) throw error;
    throw new NetworkError(
      `failed to bind host port ${hostIp}:${hostPort}/${protocol}: ${errnoText(error.errno)}`,
      500,
      { cause: error },
    );
  }
}
