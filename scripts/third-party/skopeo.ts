// skopeo's docker-daemon: transport, both ways.
import { join } from "node:path";
import { Steps, type Suite } from "./outcome.ts";

export const skopeo: Suite = async (ground) => {
  const steps = new Steps(ground);
  await ground.docker("pull", "-q", "busybox");
  const call = (...args: string[]) => ["skopeo", "--insecure-policy", `--tmpdir=${ground.scratch}`, ...args];
  const layout = join(ground.scratch, "layout");
  const daemon = `--daemon-host=${ground.host}`;
  await steps.run("inspect what is in the engine", call("inspect", daemon, "docker-daemon:busybox:latest"), {
    shows: /"Architecture": "/,
  });
  await steps.run("inspect its config", call("inspect", "--config", daemon, "docker-daemon:busybox:latest"), {
    shows: /rootfs/,
  });
  await steps.run(
    "from the engine to an OCI layout",
    call("copy", `--src-${daemon.slice(2)}`, "docker-daemon:busybox:latest", `oci:${layout}:copied`),
  );
  await steps.run(
    "from the engine to a docker-archive",
    call(
      "copy",
      `--src-${daemon.slice(2)}`,
      "docker-daemon:busybox:latest",
      `docker-archive:${ground.scratch}/archive.tar:x:1`,
    ),
  );
  await steps.run(
    "from an OCI layout into the engine",
    call("copy", `--dest-${daemon.slice(2)}`, `oci:${layout}:copied`, "docker-daemon:copied:1"),
  );
  await steps.run(
    "from a docker-archive into the engine",
    call(
      "copy",
      `--dest-${daemon.slice(2)}`,
      `docker-archive:${ground.scratch}/archive.tar`,
      "docker-daemon:archived:1",
    ),
  );
  for (const name of ["copied:1", "archived:1"]) {
    await steps.run(`a container of ${name}`, ["docker", "run", "--rm", name, "echo", "it", "runs"], {
      shows: /it runs/,
    });
  }
  await steps.run("a missing image is refused", call("inspect", daemon, "docker-daemon:nosuch:1"), {
    code: 1,
    shows: /No such image|reference does not exist/i,
  });
  return steps.outcomes;
};
