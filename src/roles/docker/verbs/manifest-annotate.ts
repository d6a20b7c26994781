import type { Command } from "../command.ts";
import { reason } from "../errors.ts";
import { ManifestStore, NoSuchManifest, readName } from "../manifest/store.ts";

/** GOOS/GOARCH pairs that the docker CLI lets into a list. */
const KNOWN: Readonly<Record<string, string>> = {
  darwin: "386 amd64 arm arm64",
  dragonfly: "amd64",
  freebsd: "386 amd64 arm",
  linux: "386 amd64 arm arm64 ppc64le mips64 mips64le riscv64 s390x",
  netbsd: "386 amd64 arm",
  openbsd: "386 amd64 arm",
  plan9: "386 amd64",
  solaris: "amd64",
  windows: "386 amd64",
};

const named = (text: string, what: string) => {
  try {
    return readName(text);
  } catch (error) {
    throw new Error(`annotate: error parsing name for ${what} ${text}: ${reason(error)}`);
  }
};

export const annotateManifest: Command = {
  use: "[OPTIONS] MANIFEST_LIST MANIFEST",
  short: "Add additional information to a local image manifest",
  flags: [
    { name: "arch", kind: "string", usage: "Set architecture" },
    { name: "os", kind: "string", usage: "Set operating system" },
    { name: "os-features", kind: "strings", usage: "Set operating system feature" },
    { name: "os-version", kind: "string", usage: "Set operating system version" },
    { name: "variant", kind: "string", usage: "Set architecture variant" },
  ],
  args: { min: 2, max: 2 },
  anyAddress: true,
  async run({ cli, flags, args }) {
    const [listName = "", name = ""] = args;
    const list = named(listName, "manifest list");
    const reference = named(name, "manifest");
    const store = new ManifestStore(cli.directory);
    const manifest = (() => {
      try {
        return store.get(list, reference);
      } catch (error) {
        if (!(error instanceof NoSuchManifest)) throw error;
        throw new Error(`manifest for image ${name} does not exist in ${listName}`);
      }
    })();
    const before = manifest.Descriptor.platform;
    const features = [...new Set([...(before?.["os.features"] ?? []), ...flags.list("os-features")])];
    const platform = {
      architecture: flags.string("arch") || (before?.architecture ?? ""),
      os: flags.string("os") || (before?.os ?? ""),
      "os.version": flags.string("os-version") || before?.["os.version"],
      "os.features": features.length > 0 ? features : undefined,
      variant: flags.string("variant") || before?.variant,
    };
    if (!KNOWN[platform.os]?.split(" ").includes(platform.architecture)) {
      throw new Error(
        `manifest entry for image has unsupported os/arch combination: ${flags.string("os")}/${flags.string("arch")}`,
      );
    }
    store.save(list, reference, { ...manifest, Descriptor: { ...manifest.Descriptor, platform } });
    return 0;
  },
};
