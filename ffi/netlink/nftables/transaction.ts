// All or nothing: messages between a batch's begin and end. linux/netfilter/nfnetlink.h
import { NLMSG_MIN_TYPE } from "../../constants/netlink.ts";
import { NFNL_SUBSYS_NFTABLES } from "../../constants/nftables.ts";
import { pack } from "../../struct.ts";
import type { Message } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { Family } from "./tables.ts";

const NFNL_MSG_BATCH_BEGIN = NLMSG_MIN_TYPE;
const NFNL_MSG_BATCH_END = NLMSG_MIN_TYPE + 1;

function frame(name: string, type: number): Message {
  // res_id is big-endian and names the subsystem.
  const body = pack(Family, { res_id: NFNL_SUBSYS_NFTABLES << 8 });
  return { name, about: "nftables transaction", type, flags: 0, body };
}

/** Carries the messages out as one atomic change. Throws NetlinkError, with nothing changed. */
export function commit(socket: NetlinkSocket, messages: readonly Message[]): void {
  socket.transact(
    frame("NFNL_MSG_BATCH_BEGIN", NFNL_MSG_BATCH_BEGIN),
    messages,
    frame("NFNL_MSG_BATCH_END", NFNL_MSG_BATCH_END),
  );
}
