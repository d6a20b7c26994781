// A build's result to the client: its files into a directory there, or as one tar.
import {
  O_DIRECTORY,
  O_NONBLOCK,
  O_RDONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../../ffi/fd.ts";
import { type ByteName, openInside, readLink, showName, statAt } from "../../../../../ffi/tree.ts";
import { packTree } from "../../../../store/tar/pack.ts";
import { FileSend } from "../../../../wire/gen/buildkit/filesync_pb.ts";
import { Packet_PacketType as Kind, PacketSchema } from "../../../../wire/gen/buildkit/fsutil_pb.ts";
import { contentOf, pathsIn } from "../tree.ts";
import type { ClientSession } from "./client-session.ts";

/** Data of one message: well below what Bun's http2 sends at once (wire/containerd/client/content.ts says why). */
const PIECE = 32 << 10;

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

/** `root` undefined for an image without files. Throws ServiceError, or Error in the client's words. */
export async function sendTar(
  session: ClientSession,
  root: Fd | undefined,
  signal: AbortSignal,
): Promise<void> {
  const call = session.connection.duplex(FileSend.method.diffCopy, { signal });
  try {
    const tar = root ? packTree(`/proc/self/fd/${root.number}/`, { signal }) : [new Uint8Array(1024)];
    for await (const chunk of tar) {
      for (const data of pieces(chunk)) await call.send({ data });
    }
    call.end();
    while ((await call.receive()) !== undefined);
  } finally {
    call.cancel();
  }
}

interface Sent {
  path: ByteName;
  file: boolean;
}

function statOf(root: Fd, path: ByteName) {
  const slash = path.lastIndexOf("/");
  using directory = openInside(root, path.slice(0, Math.max(slash, 0)), O_RDONLY | O_DIRECTORY)!;
  const name = path.slice(slash + 1);
  const stat = statAt(directory, name);
  // Devices and pipes of an image mean nothing in somebody's directory.
  if (!stat || ![S_IFDIR, S_IFREG, S_IFLNK].includes(stat.type)) return undefined;
  const special = ((stat.mode & 0o4000) << 12) | ((stat.mode & 0o2000) << 12) | ((stat.mode & 0o1000) << 11);
  const type = stat.type === S_IFDIR ? 0x80000000 : stat.type === S_IFLNK ? 0x08000000 : 0;
  const { seconds, nanoseconds } = stat.mtime;
  return {
    path: showName(path),
    mode: ((stat.mode & 0o777) | special | type) >>> 0,
    uid: stat.uid,
    gid: stat.gid,
    size: BigInt(stat.type === S_IFREG ? stat.size : 0),
    modTime: BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
    linkname: stat.type === S_IFLNK ? showName(readLink(directory, name)) : "",
  };
}

/** As sendTar, file by file as the client asks for them. */
export async function sendFiles(
  session: ClientSession,
  root: Fd | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { diffCopy } = FileSend.method;
  // Declared as bytes, spoken as packets: BuildKit's own way.
  const call = session.connection.call(diffCopy, PacketSchema, PacketSchema, { signal });
  const sent: Sent[] = [];
  const announce = async (): Promise<void> => {
    for (const path of root ? pathsIn(root) : []) {
      const stat = statOf(root!, path);
      if (!stat) continue;
      sent.push({ path, file: (stat.mode & 0x88000000) === 0 });
      await call.send({ type: Kind.PACKET_STAT, stat });
    }
    await call.send({ type: Kind.PACKET_STAT });
  };
  try {
    const announced = announce();
    announced.catch(() => {});
    for (;;) {
      const packet = await call.receive();
      if (!packet) throw new Error("the client ended the transfer of its files too early");
      if (packet.type === Kind.PACKET_ERR) {
        throw new Error(`error from receiver: ${Buffer.from(packet.data).toString("utf8")}`);
      }
      if (packet.type === Kind.PACKET_FIN) break;
      if (packet.type !== Kind.PACKET_REQ) continue;
      const asked = sent[packet.ID];
      if (!asked?.file) throw new Error(`the client asked for a file that there is not: ${packet.ID}`);
      using file = openInside(root!, asked.path, O_RDONLY | O_NONBLOCK)!;
      for (const chunk of contentOf(file)) {
        for (const data of pieces(chunk)) await call.send({ type: Kind.PACKET_DATA, ID: packet.ID, data });
      }
      await call.send({ type: Kind.PACKET_DATA, ID: packet.ID });
    }
    await announced;
    await call.send({ type: Kind.PACKET_FIN });
    call.end();
    while ((await call.receive()) !== undefined);
  } finally {
    call.cancel();
  }
}
