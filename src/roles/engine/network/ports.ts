// Host ports that are spoken for: by our containers (this table) and by every other program (a bound socket asks the kernel).
import { readFileSync } from "node:fs";
import { errnoText, isErrno, SyscallError } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { holdPort } from "../../../../ffi/inet.ts";
import { log } from "../../../observe/log.ts";
import { addressBytes, formatAddress, parseAddress } from "./address.ts";
import { NetworkError, type PortRequest } from "./types.ts";

/** One host port that leads to one port of a container. */
export interface Publication {
  protocol: PortRequest["protocol"];
  /** "0.0.0.0" is every IPv4 address of the host, "::" every IPv6 address. */
  hostIp: string;
  hostPort: number;
  containerPort: number;
  /**
   * The keeper listens there and carries bytes: for a container without an address of this family, and for visitors from the
   * host's ::1, whose packets cannot be translated.
   */
  relay?: boolean;
}

/** What a container's ports are published by where the request says nothing. */
export interface PublishDefaults {
  hostIp: string;
  /** Which addresses the container has. */
  v4: boolean;
  v6: boolean;
  /** Ports may be carried from one family to the other. */
  relay: boolean;
}

const ANY = "0.0.0.0";
const ANY6 = "::";
const isAny = (ip: string) => ip === ANY || ip === ANY6;
const isV6 = (ip: string) => ip.includes(":");
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
  /** Absent where the kernel cannot hold the port (no SCTP, no descriptors left), or the keeper listens there. */
  socket: Fd | undefined;
}

const clash = (one: Publication, other: Publication): boolean =>
  one.protocol === other.protocol &&
  one.hostPort === other.hostPort &&
  isV6(one.hostIp) === isV6(other.hostIp) &&
  (one.hostIp === other.hostIp || isAny(one.hostIp) || isAny(other.hostIp));

const key = ({ protocol, hostPort }: Publication) => `${hostPort}/${protocol}`;

/** The host has no IPv6, or not this address of it. */
const withoutIpv6 = (error: unknown): boolean =>
  error instanceof NetworkError && isErrno(error.cause, "EADDRNOTAVAIL", "EAFNOSUPPORT");

export class HostPorts {
  /** By "8080/tcp": the few that differ in address. */
  readonly #held = new Map<string, Held[]>();
  #lastEphemeral = 0;

  /**
   * Takes all the ports of one container, or none. Returns them in the order asked.
   * Throws NetworkError with docker's words (without the endpoint's prefix).
   */
  reserve(requests: readonly PortRequest[], defaults: PublishDefaults): Publication[] {
    const taken: Publication[] = [];
    try {
      for (const request of requests) taken.push(...this.#reserveOne(request, defaults));
      return taken;
    } catch (error) {
      this.release(taken);
      throw error;
    }
  }

  /** Where one request is to be published: one address, or every address of both families. */
  #places(request: PortRequest, defaults: PublishDefaults): Pick<Publication, "hostIp" | "relay">[] {
    const asked = request.hostIp.replace(/^\[(.*)\]$/, "$1") || defaults.hostIp;
    const address = parseAddress(asked);
    if (!address) throw new NetworkError(`invalid host IP address ${JSON.stringify(asked)}`, 400);
    const hostIp = formatAddress(address);
    const both = request.hostIp === "" && hostIp === ANY;
    const places = (both ? [ANY, ANY6] : [hostIp]).flatMap((ip) => {
      const relay = defaults.relay && request.protocol !== "sctp";
      if (isV6(ip) ? defaults.v6 : defaults.v4) {
        return [{ hostIp: ip, ...(relay && (ip === ANY6 || ip === "::1") ? { relay } : {}) }];
      }
      return relay ? [{ hostIp: ip, relay }] : [];
    });
    if (places.length > 0) return places;
    throw new NetworkError(
      `cannot publish on ${hostIp}: the container has no IPv${address.family} address on this network`,
      400,
    );
  }

  #reserveOne(request: PortRequest, defaults: PublishDefaults): Publication[] {
    const { protocol, containerPort } = request;
    const wanted = this.#places(request, defaults).map((place) => ({ protocol, containerPort, ...place }));
    if (request.hostPort === 0) return this.#reserveEphemeral(wanted);
    let refusal: unknown;
    for (let hostPort = request.hostPort; hostPort <= request.hostPortEnd; hostPort++) {
      try {
        return this.#takeAll(wanted, hostPort);
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        refusal = error;
      }
    }
    throw refusal ?? new NetworkError(`invalid port range ${request.hostPort}-${request.hostPortEnd}`, 400);
  }

  #reserveEphemeral(wanted: readonly Omit<Publication, "hostPort">[]): Publication[] {
    const { first, last } = ephemeralRange();
    const count = last - first + 1;
    const start =
      this.#lastEphemeral >= first && this.#lastEphemeral < last ? this.#lastEphemeral + 1 : first;
    for (let at = 0; at < count; at++) {
      const hostPort = first + ((start - first + at) % count);
      try {
        const taken = this.#takeAll(wanted, hostPort);
        this.#lastEphemeral = hostPort;
        return taken;
      } catch (error) {
        if (!(error instanceof NetworkError) || !isErrno(error.cause, "EADDRINUSE", "EACCES")) throw error;
      }
    }
    throw new NetworkError("all ports are allocated", 500);
  }

  /** The same port at every place, or at none. On a host without IPv6 the place that stands for all of it is left out. */
  #takeAll(wanted: readonly Omit<Publication, "hostPort">[], hostPort: number): Publication[] {
    const taken: Publication[] = [];
    try {
      for (const place of wanted) {
        try {
          taken.push(this.#take({ ...place, hostPort }));
        } catch (error) {
          if (wanted.length === 1 || place.hostIp !== ANY6 || !withoutIpv6(error)) throw error;
        }
      }
      return taken;
    } catch (error) {
      this.release(taken);
      throw error;
    }
  }

  #take(publication: Publication): Publication {
    const { hostIp, hostPort } = publication;
    const others = this.#held.get(key(publication)) ?? [];
    if (others.some((other) => clash(other, publication))) {
      const where = isV6(hostIp) ? `[${hostIp}]` : hostIp;
      throw new NetworkError(`Bind for ${where}:${hostPort} failed: port is already allocated`, 500, {
        cause: new SyscallError("bind", 98),
      });
    }
    this.#held.set(key(publication), [...others, { ...publication, socket: hold(publication) }]);
    return publication;
  }

  /** Takes again what was published before this process started. Another program that has it by now is only warned about. */
  restore(publications: readonly Publication[]): void {
    for (const publication of publications) {
      let socket: Fd | undefined;
      try {
        socket = publication.relay ? undefined : hold(publication);
      } catch (error) {
        log("warning", "a published port is in use by another program on this host", { error });
      }
      const others = this.#held.get(key(publication)) ?? [];
      this.#held.set(key(publication), [...others, { ...publication, socket }]);
    }
  }

  #find(publication: Publication): Held | undefined {
    return this.#held.get(key(publication))?.find((other) => other.hostIp === publication.hostIp);
  }

  /** Lets the keeper listen on the ports that it carries. */
  handOver(publications: readonly Publication[]): void {
    for (const publication of publications) {
      const held = publication.relay ? this.#find(publication) : undefined;
      held?.socket?.close();
      if (held) held.socket = undefined;
    }
  }

  release(publications: readonly Publication[]): void {
    for (const publication of publications) {
      const mine = this.#find(publication);
      mine?.socket?.close();
      const rest = (this.#held.get(key(publication)) ?? []).filter((other) => other !== mine);
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
    const where = isV6(hostIp) ? `[${hostIp}]` : hostIp;
    throw new NetworkError(
      `failed to bind host port ${where}:${hostPort}/${protocol}: ${errnoText(error.errno)}`,
      500,
      { cause: error },
    );
  }
}
