// A netlink socket to the kernel. Requests are synchronous: the kernel works inside sendto(2), so its answer waits when
// that returns, and no call here blocks on anything but the kernel.

import { NR } from "../arch/index.ts";
import {
  AF_NETLINK,
  MSG_DONTWAIT,
  MSG_TRUNC,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
  SO_RCVBUFFORCE,
  SO_RCVTIMEO,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "../constants/netlink.ts";
import { ERRNO, isErrno, SyscallError } from "../errno.ts";
import { Fd } from "../fd.ts";
import { rawSyscall, syscall } from "../libc.ts";
import { layout, pack } from "../struct.ts";
import { concat } from "./attributes.ts";
import {
  decodeError,
  decodeMessages,
  encodeMessage,
  type Message,
  NetlinkError,
  type Reply,
} from "./message.ts";

export const SockaddrNl = layout({
  c: "struct sockaddr_nl",
  header: "linux/netlink.h",
  size: 12,
  fields: { nl_family: [0, "u16"], nl_pid: [4, "u32"], nl_groups: [8, "u32"] },
});

/** The kernel sizes a dump's datagrams by the reader's buffer, up to 32 KiB. */
const DATAGRAM = 64 * 1024;
/** Room for a burst of acknowledgements and for the largest transaction. */
const BUFFERS = 4 * 1024 * 1024;
/** An answer that is this late will never come: an error is better than a stuck engine. */
const TIMEOUT_SECONDS = 10n;
const DUMP_ATTEMPTS = 8;

const PROTOCOLS = { route: NETLINK_ROUTE, netfilter: NETLINK_NETFILTER } as const;

export class NetlinkSocket implements Disposable {
  readonly #fd: Fd;
  readonly #datagram = new Uint8Array(DATAGRAM);
  readonly #sender = new Uint8Array(SockaddrNl.size);
  readonly #senderLength = new Uint32Array(1);
  #seq = 0;

  private constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** A socket that belongs to the network namespace which this thread is in now, and stays in it. */
  static open(protocol: keyof typeof PROTOCOLS): NetlinkSocket {
    const what = `AF_NETLINK ${protocol}`;
    const fd = new Fd(
      syscall("socket", what, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, PROTOCOLS[protocol]),
      what,
    );
    try {
      syscall("bind", what, fd.number, pack(SockaddrNl, { nl_family: AF_NETLINK }), SockaddrNl.size);
      const timeout = new BigInt64Array([TIMEOUT_SECONDS, 0n]);
      syscall("setsockopt", what, fd.number, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.byteLength);
      // Both came late (4.3, 4.12), and the buffers want CAP_NET_ADMIN: without them errors are only less wordy.
      for (const [level, option, value] of [
        [SOL_NETLINK, NETLINK_CAP_ACK, 1],
        [SOL_NETLINK, NETLINK_EXT_ACK, 1],
        [SOL_SOCKET, SO_SNDBUFFORCE, BUFFERS],
        [SOL_SOCKET, SO_RCVBUFFORCE, BUFFERS],
      ] as const) {
        rawSyscall(NR.setsockopt, fd.number, level, option, new Int32Array([value]), 4);
      }
      return new NetlinkSocket(fd);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(bytes: Uint8Array): void {
    const sent = syscall("sendto", this.#fd.path, this.#fd.number, bytes, bytes.length, 0);
    if (sent !== bytes.length) throw new Error(`netlink took ${sent} of ${bytes.length} bytes`);
  }

  /** One datagram from the kernel; undefined when none waits and `wait` is false. Throws SyscallError (ENOBUFS: answers were lost). */
  #receive(wait: boolean): Reply[] | undefined {
    for (;;) {
      this.#senderLength[0] = SockaddrNl.size;
      const length = rawSyscall(
        NR.recvfrom,
        this.#fd.number,
        this.#datagram,
        DATAGRAM,
        MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT),
        this.#sender,
        this.#senderLength,
      );
      if (length === -ERRNO["EINTR"]!) continue;
      if (length === -ERRNO["EAGAIN"]!) {
        if (!wait) return undefined;
        throw new SyscallError("recvfrom", ERRNO["ETIMEDOUT"]!, this.#fd.path);
      }
      if (length < 0) throw new SyscallError("recvfrom", -length, this.#fd.path);
      if (length > DATAGRAM)
        throw new Error(`netlink datagram of ${length} bytes is longer than ${DATAGRAM}`);
      // Any process may send to this address; only port 0 is the kernel.
      if (new DataView(this.#sender.buffer).getUint32(4, true) !== 0) continue;
      return [...decodeMessages(this.#datagram.subarray(0, length))];
    }
  }

  /** Throws away answers that nobody waits for any more (after an error cut a conversation short). */
  #drain(): void {
    for (;;) {
      try {
        if (this.#receive(false) === undefined) return;
      } catch (error) {
        if (!isErrno(error, "ENOBUFS")) throw error;
      }
    }
  }

  #nextSeq(): number {
    this.#seq = (this.#seq + 1) >>> 0 || 1;
    return this.#seq;
  }

  /** Sends one request and waits for its acknowledgement; returns the messages that came before it. Throws NetlinkError. */
  request(message: Message): Reply[] {
    const seq = this.#nextSeq();
    this.#send(encodeMessage({ ...message, flags: message.flags | NLM_F_REQUEST | NLM_F_ACK }, seq));
    const replies: Reply[] = [];
    for (;;) {
      for (const reply of this.#receive(true)!) {
        if (reply.seq !== seq) continue;
        if (reply.type === NLMSG_ERROR) {
          const { errno, detail } = decodeError(reply);
          if (errno !== 0) throw new NetlinkError(message, errno, detail);
          return replies;
        }
        if (reply.type >= NLMSG_OVERRUN) replies.push(reply);
      }
    }
  }

  /** Asks for a list. A list that changed while it was read is read again. Throws NetlinkError. */
  dump(message: Message): Reply[] {
    for (let attempt = 1; ; attempt++) {
      const seq = this.#nextSeq();
      this.#send(encodeMessage({ ...message, flags: message.flags | NLM_F_REQUEST | NLM_F_DUMP }, seq));
      try {
        const { replies, interrupted } = this.#collect(message, seq);
        if (!interrupted) return replies;
      } catch (error) {
        if (!isErrno(error, "ENOBUFS")) throw error;
        this.#drain();
      }
      if (attempt === DUMP_ATTEMPTS)
        throw new NetlinkError(message, ERRNO["EINTR"]!, "the list kept changing");
    }
  }

  #collect(message: Message, seq: number): { replies: Reply[]; interrupted: boolean } {
    const replies: Reply[] = [];
    let interrupted = false;
    for (;;) {
      for (const reply of this.#receive(true)!) {
        if (reply.seq !== seq || reply.type === NLMSG_NOOP) continue;
        if (reply.flags & NLM_F_DUMP_INTR) interrupted = true;
        if (reply.type === NLMSG_ERROR || reply.type === NLMSG_DONE) {
          const { errno, detail } = decodeError(reply);
          if (errno > 0) throw new NetlinkError(message, errno, detail);
          return { replies, interrupted };
        }
        replies.push(reply);
      }
    }
  }

  /**
   * Sends messages as one datagram, which nfnetlink takes as one transaction: all of them happen or none. Only the last of
   * `messages` asks for an acknowledgement (refusals come unasked), so that a long batch cannot overflow the queue.
   * `begin` and `end` frame it. Throws NetlinkError for the first message that was refused.
   */
  transact(begin: Message, messages: readonly Message[], end: Message): void {
    if (messages.length === 0) return;
    const first = this.#nextSeq();
    const sent = [begin, ...messages, end];
    const last = messages.length;
    this.#send(
      concat(
        sent.map((message, at) =>
          encodeMessage(
            { ...message, flags: message.flags | NLM_F_REQUEST | (at === last ? NLM_F_ACK : 0) },
            at === 0 ? first : this.#nextSeq(),
          ),
        ),
      ),
    );
    let acknowledged = false;
    let refusal: NetlinkError | undefined;
    for (let replies = this.#receive(false); replies !== undefined; replies = this.#receive(false)) {
      for (const reply of replies) {
        const at = (reply.seq - first) >>> 0;
        const about = sent[at];
        if (reply.type !== NLMSG_ERROR || !about) continue;
        const { errno, detail } = decodeError(reply);
        if (errno !== 0) refusal ??= new NetlinkError(about, errno, detail);
        else if (at === last) acknowledged = true;
      }
    }
    if (refusal) throw refusal;
    if (!acknowledged) throw new NetlinkError(messages[last - 1]!, ERRNO["ENOBUFS"]!, "no answer came");
  }
}
