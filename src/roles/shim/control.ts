// Becoming a newer version of itself: by request (`bunker shim upgrade`), or when containerd connects and the executable at the
// shim's own path is no longer the one that runs, as after a package's upgrade and the daemon's restart.
import { S_IFREG } from "../../../ffi/constants/fcntl.ts";
import { linkText, statOf } from "../../../ffi/path.ts";
import { log } from "../../observe/log.ts";
import { compiled } from "../../self.ts";
import { commit, version } from "../../version.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import type { Handlers } from "../../wire/ttrpc/service.ts";
import type { ShimControl } from "../../wire/ttrpc/shim-control.ts";
import type { Sleeper } from "./sleep/sleeper.ts";

/** Between two tries while the shim has something in its hands, and for how long in all. */
const PAUSE = 10;
const PATIENCE = 30_000;

const SELF = "/proc/self/exe";

export class Control {
  #upgrading = false;

  constructor(private readonly sleeper: Sleeper) {}

  get handlers(): Handlers<typeof ShimControl> {
    return {
      version: () => ({ version, commit, program: linkText(SELF) }),
      upgrade: ({ program }) => {
        checkProgram(program);
        void this.#become(program);
        return {};
      },
    };
  }

  /** Takes over when the executable at our own path was replaced. */
  lookForNewer(): void {
    if (!compiled) return;
    try {
      const [own, there] = [statOf(SELF), statOf(process.execPath)];
      if (own.ino === there.ino && own.dev === there.dev) return;
      checkProgram(process.execPath);
    } catch {
      // Nothing is there: this one goes on.
      return;
    }
    void this.#become(process.execPath);
  }

  /** Becomes `program` as soon as nothing is under way: no request, no event, no byte. */
  async #become(program: string): Promise<void> {
    if (this.#upgrading) return;
    this.#upgrading = true;
    try {
      for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
        // In a timer: what is due has been done by then, the answer to the request too.
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        await this.sleeper.upgrade(program);
      }
      log("warning", "the shim is too busy to become another version", { program });
    } catch (error) {
      log("error", "the shim cannot become another version", { program, error });
    } finally {
      this.#upgrading = false;
    }
  }
}

function checkProgram(program: string): void {
  const refused = (why: string) => new ServiceError("InvalidArgument", `upgrade to ${program}: ${why}`);
  if (!program.startsWith("/")) throw refused("the path is not absolute");
  let stat: ReturnType<typeof statOf>;
  try {
    stat = statOf(program);
  } catch (error) {
    throw refused((error as Error).message);
  }
  if (stat.type !== S_IFREG || (stat.mode & 0o111) === 0) throw refused("it is no executable file");
}
