// Becoming a newer version of itself: by request (`bunker shim upgrade`), or when containerd connects and the executable at the
// shim's own path is no longer the one that runs, as after a package's upgrade and the daemon's restart.
import { S_IFREG } from "../../../ffi/constants/fcntl.ts";
import { linkText, statOf } from "../../../ffi/path.ts";
import { log } from "../../observe/log.ts";
import { childEnvironment, compiled } from "../../self.ts";
import { commit, version } from "../../version.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import type { Handlers } from "../../wire/ttrpc/service.ts";
import type { ShimControl } from "../../wire/ttrpc/shim-control.ts";
import type { Sleeper } from "./sleep/sleeper.ts";

/** Between two tries while the shim has something in its hands, and for how long in all. */
const PAUSE = 10;
const PATIENCE = 30_000;

const SELF = "/proc/self/exe";
const SHIM = "containerd-shim-bunker-v2";

export class Control {
  #upgrading = false;

  constructor(private readonly sleeper: Sleeper) {}

  get handlers(): Handlers<typeof ShimControl> {
    return {
      version: () => ({ version, commit, program: linkText(SELF) }),
      upgrade: async ({ program }) => {
        await checkProgram(program);
        void this.#become(program);
        return {};
      },
    };
  }

  /** Takes over when the executable at our own path was replaced. */
  async lookForNewer(): Promise<void> {
    if (!compiled || this.#upgrading) return;
    try {
      const [own, there] = [statOf(SELF), statOf(process.execPath)];
      if (own.ino === there.ino && own.dev === there.dev) return;
      await checkProgram(process.execPath);
    } catch {
      // Nothing is there, or it is being written: this one goes on.
      return;
    }
    await this.#become(process.execPath);
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

/** What is executed in our place must be a shim: it is asked for its version first. Throws InvalidArgument. */
async function checkProgram(program: string): Promise<void> {
  const refused = (why: string) => new ServiceError("InvalidArgument", `upgrade to ${program}: ${why}`);
  if (!program.startsWith("/")) throw refused("the path is not absolute");
  let stat: ReturnType<typeof statOf>;
  try {
    stat = statOf(program);
  } catch (error) {
    throw refused((error as Error).message);
  }
  if (stat.type !== S_IFREG || (stat.mode & 0o111) === 0) throw refused("it is no executable file");
  let said: string;
  try {
    const child = Bun.spawn([program, "-v"], {
      argv0: SHIM,
      env: childEnvironment(),
      stdio: ["ignore", "pipe", "ignore"],
    });
    // Our own wait4(-1) may be faster than Bun's.
    void child.exited.catch(() => {});
    said = await child.stdout.text();
  } catch (error) {
    throw refused((error as Error).message);
  }
  if (!said.startsWith(`${SHIM}:`)) throw refused("it is no shim of this kind");
}
