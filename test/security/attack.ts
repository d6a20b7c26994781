// A container as an attacker has it: its image and its volumes are his, config.json is not.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { Ground } from "../runtime/ground.ts";

export { unable, until } from "../runtime/ground.ts";

export class Attack extends Ground {
  /** A directory of the host that no container may reach, write to or see. */
  readonly secret = join(this.directory, "secret");
  /** A volume that is the attacker's. */
  readonly volume = join(this.directory, "volume");

  constructor() {
    super();
    mkdirSync(this.secret, { mode: 0o777 });
    mkdirSync(this.volume);
  }

  /** As `run`, with a root that may be written to. */
  attack(script: string, change: (config: Config) => void = () => {}) {
    return this.run(script, (config) => {
      config.root!.readonly = false;
      change(config);
    });
  }
}
