// Whole containers of the built binary on networks of their own: names, joining and leaving while they run, IPv6, and an engine
// that is killed meanwhile. Needs root.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, run, until } from "../support/process.ts";
import { type Registry, startRegistry } from "../support/registry.ts";

const why = !built
  ? "dist/bunker is not built"
  : process.getuid?.() !== 0
    ? "needs root"
    : !Bun.which("docker-registry")
      ? "docker-registry is not installed"
      : undefined;

describe.skipIf(why !== undefined)(why ? `live networks (skipped: ${why})` : "live networks", () => {
  let netns: Netns;
  let registry: Registry;
  let engine: Engine;
  let image = "";
  // The host's resolv.conf is the test's own: a mount of it in the daemon's mount namespace.
  const hostFiles = mkdtempSync(join(tmpdir(), "bunker-resolv-"));
  const resolvConf = join(hostFiles, "resolv.conf");

  const docker = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine.docker(args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await engine.docker(args);
    expect(code).not.toBe(0);
    return stderr.trim();
  };
  const start = (name: string, ...options: string[]) =>
    docker("run", "-d", "--name", name, ...options, image, "sleep", "1000");
  /** Addresses that a container gets for a name, sorted; [] when there is none. */
  const lookup = async (container: string, name: string, ...more: string[]): Promise<string[]> => {
    const { stdout } = await engine.docker(["exec", container, "nslookup", ...more, name]);
    const [, answers = ""] = stdout.split(/\n\s*\n/);
    return [...answers.matchAll(/^Address(?: \d+)?:\s*(\S+)/gm)].map(([, address]) => address!).sort();
  };
  const addressOf = (container: string, network: string, field = "IPAddress") =>
    docker("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").${field}}}`, container);
  const drop = async () => {
    const ids = (await docker("ps", "-aq")).split("\n").filter(Boolean);
    if (ids.length > 0) await docker("rm", "-f", ...ids);
    await prune();
  };
  const prune = async () => {
    const response = await fetch("http://localhost/networks/prune", {
      unix: engine.host.replace("unix://", ""),
      method: "POST",
    });
    return (await response.json()) as { NetworksDeleted: string[] };
  };

  beforeAll(async () => {
    netns = await makeNetns();
    registry = await startRegistry(netns);
    await registry.push(await busyboxImage(), "busybox:latest");
    writeFileSync(resolvConf, "nameserver 127.0.0.1\n");
    engine = await startEngine(netns, {
      behind: [
        ...["unshare", "--mount", "--propagation", "slave", "bash", "-c"],
        `mount --bind ${resolvConf} /etc/resolv.conf && exec env PATH=/nonexistent "$@"`,
        "bash",
      ],
    });
    image = `${registry.address}/busybox`;
    await docker("pull", "-q", image);
  }, 120_000);
  afterEach(() => drop());
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
    rmSync(hostFiles, { recursive: true, force: true });
  }, 60_000);

  test("containers of a network find each other by name, alias, short id and NAME.NETWORK, and others do not", async () => {
    await docker("network", "create", "front");
    await docker("network", "create", "back");
    const id = await start("web", "--network", "front", "--network-alias", "www");
    await start("db", "--network", "back");
    await start("peer", "--network", "front", "--link", "web:linked");
    const web = await addressOf("web", "front");
    for (const name of ["web", "WEB", "www", id.slice(0, 12), "web.front", "linked"]) {
      expect({ name, found: await lookup("peer", name) }).toEqual({ name, found: [web] });
    }
    expect(await lookup("web", "linked")).toEqual([]);
    expect(await lookup("peer", "db")).toEqual([]);
    expect(await docker("exec", "peer", "nslookup", web)).toContain("web.front");
    await start("searcher", "--network", "front", "--dns-search", "example.test");
    const resolv = await docker("exec", "searcher", "cat", "/etc/resolv.conf");
    expect(resolv.split("\n").sort()).toEqual([
      "nameserver 127.0.0.11",
      "options ndots:0",
      "search example.test",
    ]);
  });

  test("several containers with one alias share it; a renamed one has its new name", async () => {
    await docker("network", "create", "front");
    for (const name of ["one", "two", "three"])
      await start(name, "--network", "front", "--network-alias", "all");
    const addresses = await Promise.all(["one", "two", "three"].map((name) => addressOf(name, "front")));
    expect(await lookup("one", "all")).toEqual(addresses.sort());
    await docker("rename", "two", "second");
    expect(await lookup("one", "second")).toHaveLength(1);
    expect(await lookup("one", "two")).toEqual([]);
    await docker("rm", "-f", "three");
    expect(await lookup("one", "all")).toHaveLength(2);
  });

  test("what is not known here is asked of the host's resolvers as they are now, and of --dns from the container", async () => {
    await docker("network", "create", "front");
    await start("asker", "--network", "front");
    const script = (address: string) =>
      `const a=${JSON.stringify(address)}.split(".").map(Number);` +
      `await Bun.udpSocket({hostname:process.argv[1],port:53,socket:{data(s,d,p,h){const q=d.subarray(0,d.indexOf(0,12)+5);` +
      `const t=q[q.length-3];const r=Buffer.concat([q,Buffer.from(t===1?[0xc0,12,0,1,0,1,0,0,0,9,0,4,...a]:[])]);` +
      `r[2]=0x81;r[3]=0x80;r[4]=0;r[5]=1;r[6]=0;r[7]=t===1?1:0;r.fill(0,8,12);s.send(r,p,h)}}});console.log("ready")`;
    const serve = async (at: string, says: string) => {
      const child = Bun.spawn(netns.inside([process.execPath, "-e", script(says), at]), { stdout: "pipe" });
      await child.stdout.getReader().read();
      return child;
    };
    const first = await serve("127.0.0.1", "192.0.2.1");
    const second = await serve("127.0.0.2", "192.0.2.2");
    try {
      expect(await lookup("asker", "elsewhere.test")).toEqual(["192.0.2.1"]);
      writeFileSync(resolvConf, "nameserver 127.0.0.2\n");
      expect(await lookup("asker", "elsewhere.test")).toEqual(["192.0.2.2"]);
      // A container's own resolver, which is another container.
      await docker("network", "create", "--internal", "sealed");
      await start("shut", "--network", "sealed");
      expect(await lookup("shut", "elsewhere.test")).toEqual([]);
      expect(await lookup("shut", "shut")).toHaveLength(1);
    } finally {
      for (const child of [first, second]) {
        child.kill("SIGKILL");
        await child.exited;
      }
      writeFileSync(resolvConf, "nameserver 127.0.0.1\n");
    }
  });

  test("names resolve while no engine is there, after the next one came, and after the keeper was killed", async () => {
    await docker("network", "create", "front");
    await start("web", "--network", "front");
    await start("peer", "--network", "front");
    const web = await addressOf("web", "front");
    const pid = await docker("inspect", "-f", "{{.State.Pid}}", "peer");
    const inside = async (name: string) => {
      const { stdout } = await run([
        ...["nsenter", `--net=/proc/${pid}/ns/net`, `--mount=/proc/${pid}/ns/mnt`, "/bin/busybox"],
        ...["nslookup", name, "127.0.0.11"],
      ]);
      return stdout;
    };
    await engine.kill();
    expect(await inside("web")).toContain(web);
    await engine.start();
    expect(await lookup("peer", "web")).toEqual([web]);
    const keepers = await run(["pgrep", "-f", `network-keeper --exec-root ${engine.execRoot}`]);
    const [keeper = ""] = keepers.stdout.trim().split("\n");
    process.kill(Number(keeper), "SIGKILL");
    await until("another keeper", async () => (await lookup("peer", "web"))[0] === web);
  });

  test("names over TCP, several questions on one connection", async () => {
    await docker("network", "create", "front");
    await start("web", "--network", "front");
    await start("peer", "--network", "front");
    const pid = await docker("inspect", "-f", "{{.State.Pid}}", "peer");
    const question = (id: number, name: string) => {
      const labels = name.split(".").map((label) => String.fromCharCode(label.length) + label);
      const body = Buffer.from(`\0\0\x01\0\0\x01\0\0\0\0\0\0${labels.join("")}\0\0\x01\0\x01`, "latin1");
      body.writeUInt16BE(id);
      return Buffer.concat([Buffer.from([0, body.length]), body]);
    };
    const script =
      `const s=await Bun.connect({hostname:"127.0.0.11",port:53,socket:{data(s,d){process.stdout.write(d)},error(){}}});` +
      `s.write(Buffer.from(process.argv[1],"hex"));`;
    const asked = Buffer.concat([question(7, "web"), question(8, "web.front")]).toString("hex");
    const child = Bun.spawn(["nsenter", `--net=/proc/${pid}/ns/net`, process.execPath, "-e", script, asked], {
      stdout: "pipe",
      stderr: "inherit",
    });
    try {
      const address = (await addressOf("web", "front")).split(".").map(Number);
      let got = Buffer.alloc(0);
      const reader = child.stdout.getReader();
      const whole = () => got.length > 2 && got.length >= 2 * (2 + got.readUInt16BE(0));
      while (!whole()) got = Buffer.concat([got, (await reader.read()).value!]);
      const first = got.subarray(2, 2 + got.readUInt16BE(0));
      expect(first.readUInt16BE(0)).toBeOneOf([7, 8]);
      expect([...first.subarray(-4)]).toEqual(address);
      expect([...got.subarray(-4)]).toEqual(address);
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test("a container may have a DNS server of its own on all its addresses", async () => {
    await docker("network", "create", "front");
    await start("dns", "--network", "front");
    await start("web", "--network", "front");
    const script = "echo started; exec nc -lu -p 53 -e cat";
    await docker("exec", "-d", "dns", "sh", "-c", `${script} || touch /failed`);
    expect(await lookup("dns", "web")).toHaveLength(1);
    expect((await engine.docker(["exec", "dns", "ls", "/failed"])).code).not.toBe(0);
  });

  test("running containers join and leave networks: addresses, names, files, the default route, published ports", async () => {
    await docker("network", "create", "--subnet", "10.61.0.0/24", "alpha");
    await docker("network", "create", "--subnet", "10.62.0.0/24", "beta");
    await start("web", "--network", "beta", "-p", "127.0.0.1:8085:80");
    await start("peer", "--network", "alpha");
    await docker("exec", "-d", "web", "sh", "-c", "while true; do echo hello | nc -l -p 80; done");
    await docker("network", "connect", "--ip", "10.61.0.77", "--alias", "joined", "alpha", "web");
    expect(await addressOf("web", "alpha")).toBe("10.61.0.77");
    expect(await lookup("peer", "joined")).toEqual(["10.61.0.77"]);
    expect(await docker("exec", "web", "cat", "/etc/hosts")).toContain("10.61.0.77\t");
    // Of two networks the first by name leads out.
    expect(await docker("exec", "web", "ip", "route")).toContain("default via 10.61.0.1 dev eth1");
    const visit = () => run(netns.inside(["timeout", "3", "bash", "-c", "cat < /dev/tcp/127.0.0.1/8085"]));
    await until("the published port", async () => (await visit()).stdout === "hello\n");
    expect(await refused("network", "connect", "alpha", "web")).toContain("already exists in network alpha");
    await docker("network", "disconnect", "alpha", "web");
    expect(await docker("exec", "web", "cat", "/etc/hosts")).not.toContain("10.61.0.77");
    expect(await docker("exec", "web", "ip", "-o", "link")).not.toContain("eth1");
    expect(await docker("exec", "web", "ip", "route")).toContain("default via 10.62.0.1 dev eth0");
    expect(await lookup("peer", "joined")).toEqual([]);
    await until("the published port", async () => (await visit()).stdout === "hello\n");
    expect(await refused("network", "disconnect", "alpha", "web")).toContain("is not connected to");
    expect(await refused("network", "connect", "host", "web")).toContain(
      "cannot connect container to host network",
    );
    // Left with no network at all, and back on one.
    await docker("network", "disconnect", "beta", "web");
    expect(await docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", "web")).toBe("{}");
    await docker("network", "connect", "beta", "web");
    await until("the published port", async () => (await visit()).stdout === "hello\n");
  });

  test("stopped containers join and leave too, and have it so when they start", async () => {
    await docker("network", "create", "alpha");
    await docker("create", "--name", "later", image, "sleep", "1000");
    await docker("network", "connect", "--alias", "soon", "alpha", "later");
    await docker("network", "disconnect", "bridge", "later");
    await docker("start", "later");
    const networks = await docker(
      "inspect",
      "-f",
      "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}",
      "later",
    );
    expect(networks).toBe("alpha");
    expect(await lookup("later", "soon")).toHaveLength(1);
  });

  test("endpoint options: MAC, interface name, sysctls; a shared network namespace shares names", async () => {
    await docker("network", "create", "alpha");
    const sysctl = "net.ipv4.conf.IFNAME.log_martians=1";
    await start(
      "odd",
      "--network",
      `name=alpha,mac-address=02:11:22:33:44:55,driver-opt=com.docker.network.endpoint.sysctls=${sysctl},driver-opt=com.docker.network.endpoint.ifname=odd0`,
    );
    expect(await docker("exec", "odd", "cat", "/sys/class/net/odd0/address")).toBe("02:11:22:33:44:55");
    expect(await docker("exec", "odd", "cat", "/proc/sys/net/ipv4/conf/odd0/log_martians")).toBe("1");
    await start("rider", "--network", "container:odd");
    expect(await lookup("rider", "odd")).toHaveLength(1);
    expect(await refused("network", "connect", "alpha", "rider")).toContain("sharing network namespace");
  });

  test("IPv6: unique local addresses, names, published ports on both families", async () => {
    await docker("network", "create", "--ipv6", "six");
    const subnets = await docker(
      "network",
      "inspect",
      "-f",
      "{{range .IPAM.Config}}{{.Subnet}} {{end}}",
      "six",
    );
    expect(subnets).toMatch(/^\d+\.\d+\.\d+\.\d+\/\d+ fd[0-9a-f:]+\/64$/);
    await start("web", "--network", "six", "-p", "8086:80");
    await start("peer", "--network", "six");
    const web6 = await addressOf("web", "six", "GlobalIPv6Address");
    expect(web6).toStartWith("fd");
    expect(await lookup("peer", "web", "-type=aaaa")).toEqual([web6]);
    await docker("exec", "-d", "web", "sh", "-c", "while true; do echo six | nc -l -p 80; done");
    const from = (address: string) =>
      run(netns.inside(["timeout", "3", "bash", "-c", `cat < /dev/tcp/${address}/8086`]));
    for (const address of ["127.0.0.1", "::1"]) {
      await until(`the port at ${address}`, async () => (await from(address)).stdout === "six\n");
    }
    expect(await docker("port", "web")).toBe("80/tcp -> 0.0.0.0:8086\n80/tcp -> [::]:8086");
  });

  test("a container without IPv6 is reached at the host's IPv6 addresses too", async () => {
    await start("web", "-p", "8087:80");
    await docker("exec", "-d", "web", "sh", "-c", "while true; do echo four | nc -l -p 80; done");
    const from = () => run(netns.inside(["timeout", "3", "bash", "-c", "cat < /dev/tcp/::1/8087"]));
    await until("the port at ::1", async () => (await from()).stdout === "four\n");
  });

  test("explain says who reaches a port, and by which rule", async () => {
    await start("web", "-p", "127.0.0.1:8088:80");
    const text = await docker("network", "explain", "web");
    expect(text).toContain("127.0.0.1:8088/tcp");
    expect(text).toContain("programs on this host");
    expect(text).not.toContain("anybody");
    expect(text).toMatch(/map published: 127\.0\.0\.1 \. tcp \. 8088/);
  });

  test("what somebody flushed is back by itself, and an administrator's rules stay as they are", async () => {
    await start("web", "-p", "8089:80");
    await docker("exec", "-d", "web", "sh", "-c", "while true; do echo back | nc -l -p 80; done");
    const table = (await must(netns.inside(["nft", "list", "tables"]))).match(/inet (bunker\S*)/)![1]!;
    await must(netns.inside(["nft", "flush", "ruleset"]));
    const visit = () => run(netns.inside(["timeout", "1", "bash", "-c", "cat < /dev/tcp/127.0.0.1/8089"]));
    await until("the rules", async () =>
      (await must(netns.inside(["nft", "list", "ruleset"]))).includes("tcp . 8089"),
    );
    await until("the port", async () => (await visit()).stdout === "back\n");
    await must(
      netns.inside(["nft", "add", "rule", "inet", table, "DOCKER-USER", "tcp", "dport", "81", "drop"]),
    );
    await must(netns.inside(["nft", "delete", "chain", "inet", table, "guard"]));
    await until("the chain", async () =>
      (await must(netns.inside(["nft", "list", "table", "inet", table]))).includes("chain guard"),
    );
    expect(await must(netns.inside(["nft", "list", "table", "inet", table]))).toContain("tcp dport 81 drop");
  });

  test("a firewall that drops what it does not know lets containers pass", async () => {
    const inside = (...args: string[]) => must(netns.inside(args));
    await inside("nft", "add table ip filter");
    await inside("nft", "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }");
    await inside("nft", "add rule ip filter FORWARD tcp dport 81 drop");
    await until("the way through", async () =>
      (await inside("nft", "list", "chain", "ip", "filter", "FORWARD")).includes("oifname"),
    );
    const rules = await inside("nft", "list", "chain", "ip", "filter", "FORWARD");
    expect(rules.indexOf("dport 81")).toBeLessThan(rules.indexOf("oifname"));
    // iptables can still read its table.
    expect(await inside("iptables", "-S", "FORWARD")).toContain("-j ACCEPT");
    await inside("nft", "delete table ip filter");
  });

  test("macvlan: containers on the host's link, with names, seen by a neighbour; joined and left while they run", async () => {
    const ip = (...args: string[]) => must(["ip", "-n", netns.name, ...args]);
    await ip("link", "add", "lan0", "type", "veth", "peer", "name", "lan1");
    await ip("address", "add", "10.70.0.1/24", "dev", "lan1");
    for (const name of ["lan0", "lan1"]) await ip("link", "set", name, "up");
    const options = ["--subnet", "10.70.0.0/24", "--gateway", "10.70.0.1", "-o", "parent=lan0"];
    await docker("network", "create", "-d", "macvlan", ...options, "outer");
    await start("one", "--network", "outer", "--ip", "10.70.0.9");
    await start("two", "--network", "outer");
    expect(await lookup("two", "one")).toEqual(["10.70.0.9"]);
    expect(await docker("exec", "two", "ping", "-c1", "-W5", "one")).toContain("1 packets received");
    expect(await docker("exec", "two", "ping", "-c1", "-W5", "10.70.0.1")).toContain("1 packets received");
    await docker("network", "disconnect", "outer", "two");
    expect(await docker("exec", "two", "ip", "-o", "link")).not.toContain("eth0");
    await docker("network", "connect", "outer", "two");
    expect(await docker("exec", "two", "ping", "-c1", "-W5", "one")).toContain("1 packets received");
    expect(await refused("network", "create", "-d", "macvlan", "-o", "parent=none0", "nowhere")).toContain(
      "none0",
    );
  });

  const compose = Bun.which("docker-compose");
  test.skipIf(!compose)(
    `a compose app of two networks comes up healthy and finds itself${compose ? "" : " (skipped: no docker-compose)"}`,
    async () => {
      const service = (networks: object, more = {}) => ({
        image,
        command: ["sleep", "1000"],
        networks,
        healthcheck: { test: ["CMD", "true"], interval: "1s" },
        ...more,
      });
      const app = {
        version: "3.7",
        services: {
          web: service({ front: { aliases: ["www"] }, back: {} }, { ports: ["8091:80"] }),
          db: service({ back: { aliases: ["data"] } }),
          peer: service({ front: {} }),
        },
        networks: { front: {}, back: { internal: true } },
      };
      const file = join(hostFiles, "compose.json");
      writeFileSync(file, JSON.stringify(app));
      const run = (...args: string[]) =>
        must(netns.inside([compose!, "-H", engine.host, "-p", "app", "-f", file, ...args]));
      await run("up", "-d");
      for (const name of ["web", "db", "peer"]) {
        await until(`${name} to be healthy`, async () => {
          return (await docker("inspect", "-f", "{{.State.Health.Status}}", `app_${name}_1`)) === "healthy";
        });
      }
      expect(await lookup("app_peer_1", "www")).toHaveLength(1);
      expect(await lookup("app_db_1", "web")).toHaveLength(1);
      expect(await lookup("app_web_1", "data")).toHaveLength(1);
      expect(await lookup("app_peer_1", "data")).toEqual([]);
      await run("down", "-t", "0");
      expect(await docker("network", "ls", "-q", "--filter", "type=custom")).toBe("");
    },
  );

  test("config-only networks, filters, prune, and what create prints", async () => {
    await docker("network", "create", "--config-only", "--subnet", "10.63.0.0/24", "settings");
    const id = await docker("network", "create", "--config-from", "settings", "--label", "a=b", "real").catch(
      (error: Error) => error.message,
    );
    expect(id).toContain("user specified configurations are not supported");
    await docker("network", "create", "--config-from", "settings", "real");
    expect(await docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "real")).toBe(
      "10.63.0.0/24",
    );
    expect(
      await docker("network", "ls", "-q", "--filter", "dangling=true", "--filter", "name=real"),
    ).not.toBe("");
    expect(await refused("network", "rm", "settings")).toContain("is in use");
    expect((await prune()).NetworksDeleted).toEqual(["real"]);
    await docker("network", "rm", "settings");
  });
});
