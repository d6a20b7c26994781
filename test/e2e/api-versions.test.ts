// What each API version hears and shows. Up to 1.41 the same requests go to Debian's dockerd, whose answers are the measure.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type BusyboxEngine, busyboxEngine, noBusyboxEngine } from "../support/busybox-engine.ts";
import { type RealDaemon, realDockerd, startRealDaemon } from "../support/docker-io.ts";
import { hostNetwork } from "../support/netns.ts";

const why = noBusyboxEngine;
const NEWEST = "1.51";

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
type Reply = { status: number; json: any };
type Ask = (version: string, method: string, path: string, body?: object) => Promise<Reply>;

const over =
  (host: string): Ask =>
  async (version, method, path, body) => {
    const answer = await fetch(`http://docker/v${version}${path}`, {
      method,
      unix: host.slice("unix://".length),
      ...(body ? { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : {}),
    } as RequestInit);
    const text = await answer.text();
    try {
      return { status: answer.status, json: JSON.parse(text) };
    } catch {
      return { status: answer.status, json: text };
    }
  };

/** The questions: each gives what must be the same on both sides. */
const questions: Record<string, (ask: Ask, version: string) => Promise<unknown>> = {
  "the default of IpcMode, and fields of a create that came later": async (ask, version) => {
    const created = await ask(version, "POST", "/containers/create", {
      Image: "busybox",
      Cmd: ["true"],
      HostConfig: {
        Mounts: [{ Type: "bind", Source: "/tmp", Target: "/t", BindOptions: { NonRecursive: true } }],
      },
    });
    const { HostConfig } = (await ask("1.41", "GET", `/containers/${created.json.Id}/json`)).json;
    await ask(version, "DELETE", `/containers/${created.json.Id}?force=1`);
    return [created.status, HostConfig.IpcMode, HostConfig.Mounts[0].BindOptions?.NonRecursive ?? false];
  },
  "a body of the start": async (ask, version) => {
    const { Id } = (await ask(version, "POST", "/containers/create", { Image: "busybox", Cmd: ["true"] }))
      .json;
    const { status, json } = await ask(version, "POST", `/containers/${Id}/start`, { Binds: ["/tmp:/tmp"] });
    await ask(version, "DELETE", `/containers/${Id}?force=1`);
    return [status, json];
  },
  "the limit of processes in an update": async (ask, version) => {
    const { Id } = (
      await ask(version, "POST", "/containers/create", {
        Image: "busybox",
        Cmd: ["true"],
        HostConfig: { PidsLimit: 7 },
      })
    ).json;
    const limits: unknown[] = [];
    for (const PidsLimit of [9, undefined, 0]) {
      await ask(version, "POST", `/containers/${Id}/update`, { PidsLimit });
      limits.push((await ask("1.41", "GET", `/containers/${Id}/json`)).json.HostConfig.PidsLimit);
    }
    await ask(version, "DELETE", `/containers/${Id}?force=1`);
    return limits;
  },
  "security options and the execution driver in info": async (ask, version) => {
    const { json } = await ask(version, "GET", "/info");
    return [
      json.SecurityOptions[0].includes("="),
      json.ExecutionDriver,
      json.Containerd,
      json.FirewallBackend,
    ];
  },
  "expected commits in info": async (ask, version) => {
    const { RuncCommit, ContainerdCommit } = (await ask(version, "GET", "/info")).json;
    return [RuncCommit.Expected === RuncCommit.ID, ContainerdCommit.Expected === ContainerdCommit.ID];
  },
  "the filter of images by name alone": async (ask, version) =>
    (await ask(version, "GET", "/images/json?filter=nosuch")).json.length,
  "what images show": async (ask, version) => {
    const [first] = (await ask(version, "GET", "/images/json")).json;
    return [first.Containers, first.VirtualSize === first.Size, first.Descriptor];
  },
  "object types of df": async (ask, version) => (await ask(version, "GET", "/system/df?type=nosuch")).status,
  "a wait's condition": async (ask, version) => {
    const { Id } = (await ask(version, "POST", "/containers/create", { Image: "busybox", Cmd: ["true"] }))
      .json;
    const { json } = await ask(version, "POST", `/containers/${Id}/wait?condition=not-running`);
    await ask(version, "DELETE", `/containers/${Id}?force=1`);
    return json.StatusCode;
  },
};

describe.skipIf(why !== undefined)(why ? `API versions (skipped: ${why})` : "API versions", () => {
  let on: BusyboxEngine;
  let ours: Ask;
  let real: RealDaemon | undefined;
  beforeAll(async () => {
    on = await busyboxEngine();
    ours = over(on.engine.host);
    if (!realDockerd) return;
    real = await startRealDaemon(hostNetwork);
    const image = await on.raw("GET", "/images/get?names=busybox");
    await fetch("http://docker/images/load", {
      method: "POST",
      body: await image.bytes(),
      unix: real.host.slice("unix://".length),
    } as RequestInit);
  }, 120_000);
  afterAll(async () => {
    await real?.[Symbol.asyncDispose]();
    await on?.[Symbol.asyncDispose]();
  }, 60_000);

  describe.each(Object.entries(questions))("%s", (_name, question) => {
    test.skipIf(!realDockerd).each(["1.24", "1.27", "1.30", "1.39", "1.40", "1.41"])(
      "as dockerd 20.10 has it in %s",
      async (version) => {
        expect(await question(ours, version)).toEqual((await question(over(real!.host), version)) as never);
      },
    );
  });

  test("networks list their containers before 1.28", async () => {
    await on.run("there", ["sleep", "1000"]);
    const listed = async (version: string) => {
      const networks = (await ours(version, "GET", "/networks")).json;
      return Object.keys(networks.find(({ Name }: { Name: string }) => Name === "bridge").Containers).length;
    };
    expect([await listed("1.27"), await listed("1.28"), await listed(NEWEST)]).toEqual([1, 0, 0]);
    await ours(NEWEST, "DELETE", "/containers/there?force=1");
  });

  const creation = async (version: string, body: object) => {
    const { status, json } = await ours(version, "POST", "/containers/create", {
      Image: "busybox",
      Cmd: ["true"],
      ...body,
    });
    if (status !== 201) return [status, json.message];
    const { json: shown } = await ours(NEWEST, "GET", `/containers/${json.Id}/json`);
    await ours(NEWEST, "DELETE", `/containers/${json.Id}?force=1&v=1`);
    return shown;
  };
  const mount = (one: object) => ({ HostConfig: { Mounts: [{ Target: "/t", ...one }] } });

  test("options of a mount's other types: refused from 1.42, not heard before", async () => {
    const mixed = mount({ Type: "volume", Source: "named", BindOptions: { Propagation: "rslave" } });
    expect(await creation("1.42", mixed)).toEqual([
      400,
      'invalid mount config for type "volume": field BindOptions must not be specified',
    ]);
    expect((await creation("1.41", mixed)).Mounts[0].Name).toBe("named");
  });

  test("what is too new for the version is refused where leaving it out would be dangerous", async () => {
    expect(
      await creation("1.44", mount({ Type: "volume", Source: "v1", VolumeOptions: { Subpath: "a" } })),
    ).toEqual([400, "VolumeOptions.Subpath needs API v1.45 or newer"]);
    const forced = mount({ Type: "bind", Source: "/tmp", BindOptions: { ReadOnlyForceRecursive: true } });
    expect(await creation("1.43", forced)).toEqual([
      400,
      "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
    ]);
    const two = { NetworkingConfig: { EndpointsConfig: { bridge: {}, other: {} } } };
    expect(await creation("1.43", two)).toEqual([
      400,
      "Container cannot be created with multiple network endpoints: bridge, other",
    ]);
  });

  test("what is too new and harmless is not heard", async () => {
    const HostConfig = { Annotations: { a: "b" }, ConsoleSize: [20, 30], KernelMemory: 1 << 23 };
    const Healthcheck = { Test: ["CMD", "true"], StartInterval: 5e9 };
    const shown = async (version: string) => {
      const { HostConfig: host, Config } = await creation(version, { HostConfig, Healthcheck });
      return [host.Annotations, host.ConsoleSize, Config.Healthcheck.StartInterval, host.KernelMemory];
    };
    expect(await shown("1.41")).toEqual([undefined, [0, 0], undefined, 1 << 23]);
    expect(await shown("1.42")).toEqual([undefined, [20, 30], undefined, undefined]);
    expect(await shown("1.43")).toEqual([{ a: "b" }, [20, 30], undefined, undefined]);
    expect(await shown("1.44")).toEqual([{ a: "b" }, [20, 30], 5e9, undefined]);
  });

  test("annotations in the list, descriptors and counts of images, fields of info, by version", async () => {
    await ours(NEWEST, "POST", "/containers/create?name=noted", {
      Image: "busybox",
      HostConfig: { Annotations: { a: "b" } },
    });
    const annotations = async (version: string) =>
      (await ours(version, "GET", "/containers/json?all=1")).json[0].HostConfig.Annotations;
    expect([await annotations("1.45"), await annotations("1.46")]).toEqual([undefined, { a: "b" }]);
    const image = async (version: string) => {
      const [first] = (await ours(version, "GET", "/images/json")).json;
      return [first.VirtualSize !== undefined, first.Descriptor !== undefined, first.Containers];
    };
    expect(await image("1.43")).toEqual([true, false, -1]);
    expect(await image("1.47")).toEqual([false, false, -1]);
    expect(await image("1.48")).toEqual([false, true, -1]);
    expect(await image("1.51")).toEqual([false, true, 1]);
    await ours(NEWEST, "DELETE", "/containers/noted?force=1");
    const info = async (version: string) => {
      const { json } = await ours(version, "GET", "/info");
      return [
        "Containerd",
        "FirewallBackend",
        "BridgeNfIptables",
        "ExecutionDriver",
        "AllowNondistributableArtifactsCIDRs",
      ].filter((key) => key in json || key in json.RegistryConfig);
    };
    expect(await info("1.24")).toEqual([
      "BridgeNfIptables",
      "ExecutionDriver",
      "AllowNondistributableArtifactsCIDRs",
    ]);
    expect(await info("1.45")).toEqual(["BridgeNfIptables", "AllowNondistributableArtifactsCIDRs"]);
    expect(await info("1.46")).toEqual([
      "Containerd",
      "BridgeNfIptables",
      "AllowNondistributableArtifactsCIDRs",
    ]);
    expect(await info("1.48")).toEqual(["Containerd", "BridgeNfIptables"]);
    expect(await info("1.49")).toEqual(["Containerd", "FirewallBackend", "BridgeNfIptables"]);
    expect(await info("1.50")).toEqual(["Containerd", "FirewallBackend"]);
  });
});
