// The netlink encoder without a kernel: messages as bytes. Then the socket with one.
import { describe, expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { NLM_F_CREATE, NLMSG_ERROR } from "../../ffi/constants/netlink.ts";
import { isErrno } from "../../ffi/errno.ts";
import { open } from "../../ffi/file.ts";
import { decodeAttributes, encodeAttributes, type Table } from "../../ffi/netlink/attributes.ts";
import { decodeError, decodeMessages, encodeMessage } from "../../ffi/netlink/message.ts";
import { addTable, deleteElements } from "../../ffi/netlink/nftables/messages.ts";
import { commit } from "../../ffi/netlink/nftables/transaction.ts";
import { listAddresses, newAddress } from "../../ffi/netlink/route/address.ts";
import {
  deleteLink,
  findLink,
  listLinks,
  newBridge,
  newVeth,
  setLink,
} from "../../ffi/netlink/route/link.ts";
import { listRoutes, newDefaultRoute } from "../../ffi/netlink/route/route.ts";
import { NetlinkSocket } from "../../ffi/netlink/socket.ts";
import { inNetns } from "../../ffi/netns.ts";
import { Sandbox } from "./world.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("attributes", () => {
  const inner: Table = {
    KIND: [1, "string"],
    DATA: [2, { by: "KIND", of: { veth: { PORT: [7, "be16"] } } }],
  };
  const table: Table = {
    NAME: [3, "string"],
    MTU: [4, "u32"],
    SMALL: [5, "u8"],
    BIG: [6, "be32"],
    NEST: [18, { nest: inner }],
    LIST: [9, { list: 1, item: { X: [1, "u16"] } }],
  };

  test("scalars are padded to four bytes, and the length leaves the padding out", () => {
    expect(hex(encodeAttributes(table, { NAME: "lo", MTU: 1500, SMALL: 1, BIG: 258 }))).toBe(
      [
        "07000300" + "6c6f0000",
        "08000400" + "dc050000",
        "05000500" + "01000000",
        "08000600" + "00000102",
      ].join(""),
    );
  });

  test("nests carry NLA_F_NESTED, and a choice follows its sibling", () => {
    expect(hex(encodeAttributes(table, { NEST: { KIND: "veth", DATA: { PORT: 80 } } }))).toBe(
      "1c001280" + "09000100" + "7665746800000000" + "0c000280" + "06000700" + "00500000",
    );
  });

  test("lists repeat the element's number", () => {
    expect(hex(encodeAttributes(table, { LIST: [{ X: 1 }, { X: 2 }] }))).toBe(
      "1c000980" + "0c000180" + "06000100" + "01000000" + "0c000180" + "06000100" + "02000000",
    );
  });

  test("what was encoded decodes to the same; unknown attributes are skipped, broken lengths end it", () => {
    const value = {
      NAME: "eth0",
      MTU: 9000,
      BIG: 7,
      NEST: { KIND: "veth", DATA: { PORT: 1 } },
      LIST: [{ X: 3 }],
    };
    const bytes = encodeAttributes(table, value);
    expect(decodeAttributes(table, bytes)).toEqual(value);
    expect(decodeAttributes({ MTU: [4, "u32"] }, bytes)).toEqual({ MTU: 9000 });
    expect(decodeAttributes(table, Uint8Array.from([3, 0, 4, 0, 255, 255]))).toEqual({});
  });

  test("a name that the table lacks is a mistake of ours", () => {
    expect(() => encodeAttributes(table, { MTV: 1 })).toThrow("no netlink attribute MTV");
  });
});

describe("messages", () => {
  test("a bridge", () => {
    const message = newBridge({ name: "docker0", mac: Uint8Array.of(2, 0x42, 1, 2, 3, 4) });
    expect(hex(encodeMessage(message, 7))).toBe(
      [
        "48000000" + "1000" + "0006" + "07000000" + "00000000",
        "00000000" + "00000000" + "01000000" + "01000000",
        "0c000300" + "646f636b65723000",
        "0a000100" + "024201020304" + "0000",
        "10001280" + "0b000100" + "6272696467650000",
      ].join(""),
    );
  });

  test("a veth pair names the peer's namespace, its name and the bridge in one message", () => {
    const message = newVeth({
      name: "veth1234567",
      bridge: 5,
      mtu: 1500,
      peer: { netns: 9, name: "eth0", mac: Uint8Array.of(2, 0x42, 172, 17, 0, 2) },
    });
    const peer = [
      "00000000".repeat(4),
      "09000300" + "6574683000000000",
      "0a000100" + "0242ac1100020000",
      "08000400" + "dc050000",
      "08001c00" + "09000000",
    ].join("");
    expect(hex(message.body)).toBe(
      [
        "00000000" + "00000000" + "01000000" + "01000000",
        "10000300" + "766574683132333435363700",
        "08000400" + "dc050000",
        "08000a00" + "05000000",
        "50001280" + "09000100" + "7665746800000000",
        `400002803c000180${peer}`,
      ].join(""),
    );
  });

  test("interface names that the kernel would cut or misread are refused", () => {
    for (const name of ["", "a-name-of-sixteen", "a/b", "a b", ".."]) {
      expect(() => deleteLink(name)).toThrow("no valid interface name");
    }
  });

  test("refusals carry errno and the kernel's words", () => {
    const text = new TextEncoder().encode("No such device\0");
    const attribute = new Uint8Array(4 + 16);
    attribute.set([4 + text.length, 0, 1, 0]);
    attribute.set(text, 4);
    const body = new Uint8Array(4 + 16 + attribute.length);
    new DataView(body.buffer).setInt32(0, -19, true);
    body.set(attribute, 20);
    const flags = 0x100 | 0x200;
    expect(decodeError({ type: NLMSG_ERROR, flags, seq: 1, body })).toEqual({
      errno: 19,
      detail: "No such device",
    });
    expect(decodeError({ type: NLMSG_ERROR, flags: 0, seq: 1, body })).toEqual({ errno: 19 });
  });

  test("a datagram that lies about its length is refused", () => {
    expect(() => [...decodeMessages(Uint8Array.from({ length: 16 }, () => 255))]).toThrow("does not fit");
  });
});

const root = process.getuid?.() === 0;
describe.skipIf(!root)(`the kernel${root ? "" : " (skipped: needs root)"}`, () => {
  test("links, addresses and routes of another network namespace; this thread comes back", async () => {
    const sandbox = await Sandbox.start();
    const home = readlinkSync("/proc/thread-self/ns/net");
    try {
      using namespace = open(sandbox.netns, 0);
      using socket = inNetns(namespace, () => NetlinkSocket.open("route"));
      expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
      socket.request(newBridge({ name: "br0", mac: Uint8Array.of(2, 0, 0, 0, 0, 1), mtu: 1400 }));
      const link = findLink(socket, "br0")!;
      expect(link).toMatchObject({ name: "br0", kind: "bridge", up: true, mtu: 1400 });
      socket.request(setLink(link.index, { alias: "a mark" }));
      expect(listLinks(socket).find(({ name }) => name === "br0")?.alias).toBe("a mark");
      socket.request(newAddress({ index: link.index, address: Uint8Array.of(10, 0, 0, 1), prefix: 24 }));
      expect(listAddresses(socket)).toEqual([
        { index: link.index, address: Uint8Array.of(10, 0, 0, 1), prefix: 24 },
      ]);
      socket.request(newDefaultRoute(Uint8Array.of(10, 0, 0, 254), link.index));
      expect(listRoutes(socket).some(({ prefix, table }) => prefix === 0 && table === 254)).toBe(true);
      expect(findLink(socket, "br1")).toBeUndefined();
    } finally {
      await sandbox.stop();
    }
  });

  test("an error says call, subject, errno and the kernel's own words", async () => {
    const sandbox = await Sandbox.start();
    try {
      using namespace = open(sandbox.netns, 0);
      using socket = inNetns(namespace, () => NetlinkSocket.open("route"));
      socket.request(newBridge({ name: "br0", mac: Uint8Array.of(2, 0, 0, 0, 0, 1) }));
      expect(() => socket.request(newBridge({ name: "br0", mac: Uint8Array.of(2, 0, 0, 0, 0, 1) }))).toThrow(
        "RTM_NEWLINK br0: file exists (EEXIST)",
      );
      const { index } = findLink(socket, "br0")!;
      expect(() => socket.request(newDefaultRoute(Uint8Array.of(10, 9, 9, 9), index))).toThrow(
        /RTM_NEWROUTE default via 10\.9\.9\.9: .*\(ENETUNREACH\): Nexthop has invalid gateway/,
      );
      // The socket goes on after a refusal.
      expect(listLinks(socket).map(({ name }) => name)).toContain("br0");
    } finally {
      await sandbox.stop();
    }
  });

  test("a transaction happens whole or not at all", async () => {
    const sandbox = await Sandbox.start();
    try {
      using namespace = open(sandbox.netns, 0);
      using socket = inNetns(namespace, () => NetlinkSocket.open("netfilter"));
      const bad = deleteElements({ family: 2, name: "nowhere" }, "nothing", [{ key: Uint8Array.of(1) }]);
      try {
        commit(socket, [addTable({ family: 2, name: "one" }), ...bad, addTable({ family: 2, name: "two" })]);
        expect.unreachable();
      } catch (error) {
        expect(isErrno(error, "ENOENT")).toBe(true);
        expect((error as Error).message).toStartWith("NFT_MSG_DELSETELEM nowhere nothing: ");
      }
      const list = () => Bun.spawnSync(sandbox.inside(["nft", "list", "tables"])).stdout.toString();
      expect(list()).toBe("");
      commit(socket, [
        addTable({ family: 2, name: "one" }),
        { ...addTable({ family: 2, name: "two" }), flags: NLM_F_CREATE },
      ]);
      expect(list()).toBe("table ip one\ntable ip two\n");
    } finally {
      await sandbox.stop();
    }
  });

  test("the way back from another namespace is taken after an error too", async () => {
    const sandbox = await Sandbox.start();
    const home = readlinkSync("/proc/thread-self/ns/net");
    try {
      using namespace = open(sandbox.netns, 0);
      const work = () =>
        inNetns(namespace, () => {
          expect(readlinkSync("/proc/thread-self/ns/net")).not.toBe(home);
          throw new Error("work failed");
        });
      expect(work).toThrow("work failed");
      expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
      using file = open("/dev/null", 0);
      expect(() => inNetns(file, () => undefined)).toThrow("EINVAL");
    } finally {
      await sandbox.stop();
    }
  });
});
