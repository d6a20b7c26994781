// One netlink message: struct nlmsghdr, a family's own fixed struct, attributes. man 7 netlink.
import { NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSGERR_ATTR_MSG } from "../constants/netlink.ts";
import { SyscallError } from "../errno.ts";
import { field, layout, pack } from "../struct.ts";
import { walk } from "./attributes.ts";

export const Header = layout({
  c: "struct nlmsghdr",
  header: "linux/netlink.h",
  size: 16,
  fields: {
    nlmsg_len: [0, "u32"],
    nlmsg_type: [4, "u16"],
    nlmsg_flags: [6, "u16"],
    nlmsg_seq: [8, "u32"],
    nlmsg_pid: [12, "u32"],
  },
});

/** A request before it has a sequence number. */
export interface Message {
  /** Its C name and what it is about, for error texts: "RTM_NEWLINK", "veth1234567". */
  name: string;
  about: string;
  type: number;
  flags: number;
  /** The family's struct and the attributes. */
  body: Uint8Array;
}

/** A message from the kernel. */
export interface Reply {
  type: number;
  flags: number;
  seq: number;
  body: Uint8Array;
}

/** The kernel's refusal: errno, and its extended acknowledgement where it gave one. */
export class NetlinkError extends SyscallError {
  constructor(
    message: Pick<Message, "name" | "about">,
    errno: number,
    /** The kernel's own words. */
    readonly detail?: string,
  ) {
    super(message.name, errno, message.about || undefined);
    if (detail) this.message += `: ${detail}`;
  }
}

export function encodeMessage(message: Message, seq: number): Uint8Array {
  const length = Header.size + message.body.length;
  const bytes = new Uint8Array((length + 3) & ~3);
  bytes.set(
    pack(Header, {
      nlmsg_len: length,
      nlmsg_type: message.type,
      nlmsg_flags: message.flags,
      nlmsg_seq: seq,
    }),
  );
  bytes.set(message.body, Header.size);
  return bytes;
}

/** The messages of one datagram. */
export function* decodeMessages(datagram: Uint8Array): Generator<Reply> {
  for (let at = 0; at + Header.size <= datagram.length; ) {
    const header = datagram.subarray(at, at + Header.size);
    const length = field(Header, header, "nlmsg_len");
    if (length < Header.size || at + length > datagram.length) {
      throw new Error(`netlink message of ${length} bytes does not fit its datagram`);
    }
    yield {
      type: field(Header, header, "nlmsg_type"),
      flags: field(Header, header, "nlmsg_flags"),
      seq: field(Header, header, "nlmsg_seq"),
      body: datagram.slice(at + Header.size, at + length),
    };
    at += (length + 3) & ~3;
  }
}

/** The content of an NLMSG_ERROR (errno 0: an acknowledgement) or NLMSG_DONE: errno and the extended text. */
export function decodeError(reply: Reply): { errno: number; detail?: string } {
  const view = new DataView(reply.body.buffer, reply.body.byteOffset, reply.body.byteLength);
  const errno = reply.body.length >= 4 ? -view.getInt32(0, true) : 0;
  if (!(reply.flags & NLM_F_ACK_TLVS) || reply.body.length < 4 + Header.size) return { errno };
  // struct nlmsgerr: i32 error, the request's header, its payload unless capped, then the attributes.
  const original = view.getUint32(4, true);
  const at = 4 + (reply.flags & NLM_F_CAPPED ? Header.size : (original + 3) & ~3);
  for (const [type, payload] of walk(reply.body.subarray(at))) {
    if (type === NLMSGERR_ATTR_MSG) {
      const detail = new TextDecoder().decode(payload).replace(/\0.*$/s, "");
      return { errno, detail };
    }
  }
  return { errno };
}
