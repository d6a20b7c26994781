// How the container was created, kept in the bundle for `delete`, which comes when the shim that knew is dead.
import { readText } from "../../../ffi/path.ts";
import { writeAtomic } from "../../store/atomic.ts";

export interface SavedOptions {
  binary: string;
  root: string;
  systemdCgroup: boolean;
}

const NAME = "options.json";

export function saveOptions(bundle: string, { binary, root, systemdCgroup }: SavedOptions): void {
  const text = JSON.stringify({ binary_name: binary, root, systemd_cgroup: systemdCgroup });
  writeAtomic(`${bundle}/${NAME}`, `${text}\n`, { durable: false });
}

/** undefined when the container was never created. */
export function readOptions(bundle: string): SavedOptions | undefined {
  try {
    const saved = JSON.parse(readText(`${bundle}/${NAME}`)) as Record<string, unknown>;
    return {
      binary: String(saved["binary_name"] ?? ""),
      root: String(saved["root"] ?? ""),
      systemdCgroup: saved["systemd_cgroup"] === true,
    };
  } catch {
    return undefined;
  }
}
