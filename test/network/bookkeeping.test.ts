// Addresses, pools and ports: logic that needs no privilege.
import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  contains,
  formatAddress,
  formatSubnet,
  macOf,
  overlaps,
  parseAddress,
  parseCidr,
  parseMac,
} from "../../src/roles/engine/network/address.ts";
import { elementsOf, replaceTable } from "../../src/roles/engine/network/firewall/definition.ts";
import { createNetworks } from "../../src/roles/engine/network/index.ts";
import { AddressPool } from "../../src/roles/engine/network/ipam.ts";
import { instanceOf } from "../../src/roles/engine/network/options.ts";
import { DEFAULT_POOLS, electSubnet, parsePools } from "../../src/roles/engine/network/pools.ts";
import { HostPorts } from "../../src/roles/engine/network/ports.ts";
import { NetworkStore } from "../../src/roles/engine/network/store.ts";

const subnet = (text: string) => parseCidr(text)!.subnet;
const address = (text: string) => parseAddress(text)!;

describe("addresses", () => {
  test("text and numbers", () => {
    expect(formatAddress(address("255.0.10.1"))).toBe("255.0.10.1");
    for (const bad of ["1.2.3", "1.2.3.256", "01.2.3.4", "a.b.c.d", "1.2.3.4.5", ""]) {
      expect(parseAddress(bad)).toBeUndefined();
    }
    expect(formatSubnet(subnet("172.17.42.1/16"))).toBe("172.17.0.0/16");
    expect(parseCidr("10.0.0.0/33")).toBeUndefined();
    expect(parseCidr("10.0.0.0")).toBeUndefined();
    expect(formatSubnet(subnet("1.2.3.4/0"))).toBe("0.0.0.0/0");
  });

  test("overlap and containment", () => {
    expect(contains(subnet("172.17.0.0/16"), address("172.17.255.255"))).toBe(true);
    expect(contains(subnet("172.17.0.0/16"), address("172.18.0.0"))).toBe(false);
    expect(overlaps(subnet("10.0.0.0/8"), subnet("10.9.0.0/24"))).toBe(true);
    expect(overlaps(subnet("10.9.0.0/24"), subnet("10.0.0.0/8"))).toBe(true);
    expect(overlaps(subnet("10.9.0.0/24"), subnet("10.9.1.0/24"))).toBe(false);
  });

  test("MACs", () => {
    expect(macOf(address("172.17.0.2"))).toBe("02:42:ac:11:00:02");
    expect(parseMac("02-42-AC-11-00-02")).toEqual(Uint8Array.of(2, 0x42, 172, 17, 0, 2));
    expect(parseMac("02:42:ac:11:00")).toBeUndefined();
  });
});

describe("an address pool", () => {
  test("gives the lowest free address, never the network's or the broadcast's", () => {
    const pool = new AddressPool(subnet("10.0.0.0/29"));
    const given = Array.from({ length: 7 }, () => pool.next()).map((ip) => ip && formatAddress(ip));
    expect(given).toEqual([
      "10.0.0.1",
      "10.0.0.2",
      "10.0.0.3",
      "10.0.0.4",
      "10.0.0.5",
      "10.0.0.6",
      undefined,
    ]);
    pool.free(address("10.0.0.3"));
    expect(formatAddress(pool.next()!)).toBe("10.0.0.3");
    expect(pool.claim(address("10.0.0.3"))).toBe(false);
    expect(pool.claim(address("10.0.0.9"))).toBe(false);
  });

  test("goes over chunk borders, and a whole /16 is 65533 containers beside the gateway", () => {
    const pool = new AddressPool(subnet("172.17.0.0/16"));
    const all = new Set<bigint>();
    for (let ip = pool.next(); ip !== undefined; ip = pool.next()) all.add(ip.value);
    expect(all.size).toBe(65534);
  });

  test("keeps dynamic addresses inside a range, and static ones anywhere", () => {
    const pool = new AddressPool(subnet("10.1.0.0/16"), subnet("10.1.5.0/30"));
    expect(formatAddress(pool.next()!)).toBe("10.1.5.0");
    expect(pool.claim(address("10.1.200.1"))).toBe(true);
    for (let left = 0; left < 3; left++) pool.next();
    expect(pool.next()).toBeUndefined();
  });
});

describe("subnets", () => {
  const pools = parsePools(DEFAULT_POOLS);

  test("are docker's, in order, less what is taken", () => {
    expect(formatSubnet(electSubnet(pools, []))).toBe("172.17.0.0/16");
    expect(formatSubnet(electSubnet(pools, [subnet("172.17.3.0/24")]))).toBe("172.18.0.0/16");
    const all = Array.from({ length: 15 }, (_, at) => subnet(`172.${17 + at}.0.0/16`));
    expect(formatSubnet(electSubnet(pools, all))).toBe("192.168.0.0/20");
    expect(formatSubnet(electSubnet(pools, [...all, subnet("192.168.1.0/24")]))).toBe("192.168.16.0/20");
    expect(() => electSubnet(pools, [subnet("128.0.0.0/1")])).toThrow("fully subnetted");
  });

  test("pools that make no sense are refused", () => {
    expect(() => parsePools([{ base: "10.0.0.0/8", size: 4 }])).toThrow("invalid pool size");
    expect(() => parsePools([{ base: "ten", size: 24 }])).toThrow("no CIDR");
    const config = { dataRoot: "/nonexistent", execRoot: "/nonexistent" };
    expect(() =>
      createNetworks({ ...config, network: { defaultAddressPools: [{ base: "x", size: 1 }] } }),
    ).toThrow();
  });
});

describe("host ports", () => {
  const ask = (hostPort: number, hostPortEnd = hostPort) => ({
    containerPort: 80,
    protocol: "tcp" as const,
    hostIp: "127.0.0.1",
    hostPort,
    hostPortEnd,
  });

  const plain = { hostIp: "0.0.0.0", v4: true, v6: false, relay: false };

  test("are taken from other programs, and given back", async () => {
    const ports = new HostPorts();
    const [taken] = ports.reserve([ask(0)], plain);
    const listen = () =>
      new Promise<string>((resolve) => {
        const server = createServer();
        server.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
        server.listen(taken!.hostPort, "127.0.0.1", () => server.close(() => resolve("listened")));
      });
    expect(await listen()).toBe("EADDRINUSE");
    expect(() => ports.reserve([ask(taken!.hostPort)], plain)).toThrow("port is already allocated");
    expect(() => ports.reserve([{ ...ask(taken!.hostPort), hostIp: "" }], plain)).toThrow(
      "port is already allocated",
    );
    ports.release([taken!]);
    expect(await listen()).toBe("listened");
  });

  test("may be had where a server has just ended, whose connections wait in TIME_WAIT", async () => {
    const { promise: port, resolve } = Promise.withResolvers<number>();
    const server = createServer((socket) => socket.end("bye"));
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    const hostPort = await port;
    const client = connect(hostPort, "127.0.0.1").resume();
    await once(client, "close");
    expect(() => new HostPorts().reserve([ask(hostPort)], plain)).toThrow("address already in use");
    server.close();
    await once(server, "close");
    const waiting = readFileSync("/proc/net/tcp", "utf8")
      .split("\n")
      .some(
        (line) =>
          line.includes(`:${hostPort.toString(16).toUpperCase().padStart(4, "0")} `) && / 06 /.test(line),
      );
    expect(waiting).toBe(true);
    const ports = new HostPorts();
    const [taken] = ports.reserve([ask(hostPort)], plain);
    // It is held against servers, which all set SO_REUSEADDR.
    const second = createServer();
    second.listen(hostPort, "127.0.0.1");
    const [error] = (await once(second, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("EADDRINUSE");
    ports.release([taken!]);
  });

  test("all of a container's or none", () => {
    const ports = new HostPorts();
    const [one] = ports.reserve([ask(0)], plain);
    const [free] = ports.reserve([ask(0)], plain);
    ports.release([free!]);
    expect(() => ports.reserve([ask(free!.hostPort), ask(one!.hostPort)], plain)).toThrow(
      "already allocated",
    );
    expect(ports.reserve([ask(free!.hostPort)], plain)).toHaveLength(1);
    ports.close();
  });
});

describe("names", () => {
  test("an engine with an exec-root of its own has a table and a bridge of its own", () => {
    expect(instanceOf("/run/docker/")).toMatchObject({ table: "bunker", isDefault: true });
    const other = instanceOf("/tmp/elsewhere");
    expect(other.table).toMatch(/^bunker-[0-9a-f]{8}$/);
    expect(other.fallbackBridge).toMatch(/^br-[0-9a-f]{12}$/);
    expect(other.alias).not.toBe(instanceOf("/tmp/other").alias);
  });
});

describe("the firewall's table", () => {
  const state = {
    bridges: [
      {
        name: "docker0",
        subnets: [subnet("172.17.0.0/16")],
        internal: false,
        masquerade: [{ subnet: subnet("172.17.0.0/16"), source: undefined }],
        open: [],
        icc: true,
      },
    ],
    ports: [
      {
        protocol: "tcp" as const,
        hostIp: "0.0.0.0",
        hostPort: 8080,
        containerPort: 80,
        containerIp: address("172.17.0.2"),
      },
      {
        protocol: "udp" as const,
        hostIp: "127.0.0.1",
        hostPort: 53,
        containerPort: 5353,
        containerIp: address("172.17.0.3"),
      },
    ],
  };
  const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("hex");

  test("elements are concatenations of four-byte slots", () => {
    const elements = elementsOf(state);
    expect(elements["published-anywhere"]!.map(({ key, data }) => [hex(key), hex(data)])).toEqual([
      ["06000000" + "1f900000", "ac110002" + "00500000"],
    ]);
    expect(elements.published!.map(({ key, data }) => [hex(key), hex(data)])).toEqual([
      ["7f000001" + "11000000" + "00350000", "ac110003" + "14e90000"],
    ]);
    expect(elements.subnets!.map(({ key, intervalEnd }) => [hex(key), intervalEnd ?? false])).toEqual([
      ["ac110000", false],
      ["ac120000", true],
    ]);
  });

  test("is made anew in one transaction", () => {
    const names = replaceTable("bunker", state, { chains: ["old", "DOCKER-USER"], sets: ["old"] }).map(
      ({ name, about }) => `${name.slice(8)} ${about}`,
    );
    expect(names).toMatchSnapshot();
  });

  test("a subnet at the end of the address space has no end element", () => {
    const last = { ...state.bridges[0]!, subnets: [subnet("240.0.0.0/4")] };
    expect(elementsOf({ bridges: [last], ports: [] }).subnets).toHaveLength(1);
  });
});

test("a record of the networks in another version's form is set aside, and does not keep the engine from starting", () => {
  const dir = mkdtempSync(join(tmpdir(), "networks-"));
  try {
    const file = join(dir, "data", "network", "networks.json");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ version: 1, networks: [{ id: "1", name: "bridge", options: {} }] }));
    const store = new NetworkStore(join(dir, "data"), join(dir, "exec"));
    expect(store.load()).toMatchObject({ networks: [], complete: false });
    expect(existsSync(`${file}.damaged`)).toBe(true);
    expect(existsSync(file)).toBe(false);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
