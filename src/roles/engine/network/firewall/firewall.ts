// The kernel's side of the firewall: one table, one transaction a change.

import { IPPROTO_UDP } from "../../../../../ffi/constants/inet.ts";
import { isErrno } from "../../../../../ffi/errno.ts";
import { deleteFlows, type Flow } from "../../../../../ffi/netlink/conntrack.ts";
import { listChains, listElements, listRules, listSets } from "../../../../../ffi/netlink/nftables/list.ts";
import {
  addElements,
  deleteElements,
  deleteTable,
  type Element,
} from "../../../../../ffi/netlink/nftables/messages.ts";
import { commit } from "../../../../../ffi/netlink/nftables/transaction.ts";
import { NetlinkSocket } from "../../../../../ffi/netlink/socket.ts";
import { log } from "../../../../observe/log.ts";
import { addressOf, sameAddress } from "../address.ts";
import { ADMIN_CHAIN, CHAINS } from "./chains.ts";
import {
  bridgeElements,
  type Elements,
  elementMessages,
  elementsOf,
  type FirewalledBridge,
  type FirewallState,
  type Present,
  type PublishedPort,
  portElements,
  replaceTable,
  SETS,
  tableName,
} from "./definition.ts";

export class FirewallUnavailable extends Error {
  override readonly name = "FirewallUnavailable";
}

function unavailable(error: unknown): unknown {
  if (isErrno(error, "EPERM", "EACCES")) {
    return new FirewallUnavailable(`no permission to set up nftables (CAP_NET_ADMIN): ${error}`, {
      cause: error,
    });
  }
  if (isErrno(error, "EPROTONOSUPPORT", "EAFNOSUPPORT", "EOPNOTSUPP", "EINVAL", "ENOENT")) {
    return new FirewallUnavailable(
      "this kernel lacks nftables, or a part of it that published ports and masquerading need (CONFIG_NF_TABLES, " +
        `NF_TABLES_INET, NFT_NAT, NFT_MASQ, NFT_CT, NFT_FIB_INET); --iptables=false runs without: ${error}`,
      { cause: error },
    );
  }
  return error;
}

const hex = (bytes: Uint8Array | undefined) => (bytes ? Buffer.from(bytes).toString("hex") : "");
const spelled = ({ key, data, intervalEnd }: Element) => `${hex(key)}${intervalEnd ? "-" : ""}:${hex(data)}`;
const same = (one: Uint8Array, other: Uint8Array) => hex(one) === hex(other);
const sameMembers = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && new Set([...one, ...other]).size === new Set(one).size;

export class Firewall implements Disposable {
  readonly #socket: NetlinkSocket;

  /** For whoever reads the host's other rules. */
  get socket(): NetlinkSocket {
    return this.#socket;
  }

  /**
   * @param table its name
   * @param state what the table must hold, for when it has to be made anew
   * Throws FirewallUnavailable.
   */
  constructor(
    readonly table: string,
    readonly state: () => FirewallState,
  ) {
    try {
      this.#socket = NetlinkSocket.open("netfilter");
    } catch (error) {
      throw unavailable(error);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #present(): Present {
    const table = tableName(this.table);
    const chains = listChains(this.#socket, table.family);
    return {
      chains: chains.filter((chain) => chain.table.name === table.name).map(({ name }) => name),
      sets: listSets(this.#socket, table).map(({ name }) => name),
    };
  }

  /** Makes the table what the state says, in one step. Connections go on: their translations are conntrack's. */
  replace(): void {
    for (let attempt = 1; ; attempt++) {
      try {
        commit(this.#socket, replaceTable(this.table, this.state(), this.#present()));
        return;
      } catch (error) {
        // Somebody edited the table between the look and the change.
        if (attempt === 3 || !isErrno(error, "ENOENT", "EBUSY", "EEXIST")) throw unavailable(error);
      }
    }
  }

  /** Changes elements; a table that somebody flushed or edited meanwhile is made anew (the state has the change already). */
  #change(verb: typeof addElements, elements: Elements): void {
    try {
      commit(this.#socket, elementMessages(this.table, verb, elements));
    } catch (error) {
      if (!isErrno(error, "ENOENT", "EEXIST", "EBUSY")) throw error;
      this.replace();
    }
  }

  publish(ports: readonly PublishedPort[]): void {
    if (ports.length === 0) return;
    this.#change(addElements, portElements(ports));
    this.#forgetFlows(ports, (flow, port) => {
      const { original, reply } = flow;
      // Came before the port was published, and is translated nowhere.
      return original.destinationPort === port.hostPort && same(reply.source, original.destination);
    });
  }

  unpublish(ports: readonly PublishedPort[]): void {
    if (ports.length === 0) return;
    this.#change(deleteElements, portElements(ports));
    this.#forgetFlows(ports, ({ original, reply }, port) => {
      return (
        original.destinationPort === port.hostPort && sameAddress(addressOf(reply.source), port.containerIp)
      );
    });
  }

  /** A TCP connection ends; a UDP flow lives on as long as a client keeps sending, and keeps the way it began with. */
  #forgetFlows(ports: readonly PublishedPort[], matches: (flow: Flow, port: PublishedPort) => boolean): void {
    const udp = ports.filter(({ protocol }) => protocol === "udp");
    if (udp.length === 0) return;
    try {
      deleteFlows(
        this.#socket,
        (flow) => flow.original.protocol === IPPROTO_UDP && udp.some((port) => matches(flow, port)),
      );
    } catch (error) {
      log("warning", "old UDP flows cannot be removed; clients may need another source port", { error });
    }
  }

  addBridge(bridge: FirewalledBridge): void {
    this.#change(addElements, bridgeElements([bridge]));
  }

  removeBridge(bridge: FirewalledBridge): void {
    this.#change(deleteElements, bridgeElements([bridge]));
  }

  /** Whether the kernel's table is what the state says. */
  intact(): boolean {
    const table = tableName(this.table);
    const rules = listRules(this.#socket, table);
    if (!this.#present().chains.includes(ADMIN_CHAIN)) return false;
    for (const chain of CHAINS) {
      const here = rules.filter((rule) => rule.chain === chain.name).map(({ comment }) => comment);
      if (here.join("\n") !== chain.rules.map(({ comment }) => comment).join("\n")) return false;
    }
    const wanted = elementsOf(this.state());
    return SETS.every(({ name }) =>
      sameMembers(listElements(this.#socket, table, name).map(spelled), (wanted[name] ?? []).map(spelled)),
    );
  }

  /** Takes the whole table away; one that is not there is no error. */
  remove(): void {
    try {
      commit(this.#socket, [deleteTable(tableName(this.table))]);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}
