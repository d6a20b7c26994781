// @devcontainers/cli: a workspace in a container of an image, and in one of a Dockerfile.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Steps, type Suite } from "./outcome.ts";

async function workspace(directory: string, config: object, dockerfile?: string): Promise<void> {
  await Bun.write(join(directory, ".devcontainer", "devcontainer.json"), JSON.stringify(config));
  await Bun.write(join(directory, "file"), "from the workspace\n");
  if (dockerfile) await Bun.write(join(directory, ".devcontainer", "Dockerfile"), dockerfile);
}

export const devcontainers: Suite = async (ground, directory) => {
  const steps = new Steps(ground);
  const cli = join(directory, "node_modules", "@devcontainers", "cli", "devcontainer.js");
  if (!existsSync(cli)) return [{ test: "the CLI", result: "failed", said: `${cli} is not there` }];
  const call = (...args: string[]) => ["node", cli, ...args];

  const plain = join(ground.scratch, "plain");
  await workspace(plain, {
    name: "plain",
    image: "debian",
    remoteEnv: { REMOTE: "yes" },
    containerEnv: { INSIDE: "also" },
    mounts: ["source=cache,target=/cache,type=volume"],
    onCreateCommand: "echo created > /tmp/created",
    postCreateCommand: { one: "echo one > /tmp/one", two: ["sh", "-c", "echo two > /tmp/two"] },
    postStartCommand: "echo started > /tmp/started",
  });
  const of = (folder: string) => ["--workspace-folder", folder];
  await steps.run("read-configuration", call("read-configuration", ...of(plain)), {
    shows: /"image":"debian"/,
  });
  await steps.run("up with an image", call("up", ...of(plain)), { shows: /"outcome":"success"/ });
  await steps.run("exec in the workspace", call("exec", ...of(plain), "cat", "file"), {
    shows: /from the workspace/,
  });
  await steps.run("its environment", call("exec", ...of(plain), "sh", "-c", "echo $REMOTE $INSIDE"), {
    shows: /yes also/,
  });
  await steps.run(
    "its life-cycle commands ran",
    call("exec", ...of(plain), "sh", "-c", "cat /tmp/created /tmp/one /tmp/two /tmp/started"),
    { shows: /created\s+one\s+two\s+started/ },
  );
  await steps.run("exit codes", call("exec", ...of(plain), "sh", "-c", "exit 3"), { code: 3 });
  await steps.run("up again finds it", call("up", ...of(plain)), { shows: /"outcome":"success"/ });
  await steps.run("run-user-commands", call("run-user-commands", ...of(plain)), {
    shows: /"outcome":"success"|"result"/,
  });
  await steps.run("up --remove-existing-container", call("up", ...of(plain), "--remove-existing-container"), {
    shows: /"outcome":"success"/,
  });

  const made = join(ground.scratch, "made");
  await workspace(
    made,
    {
      name: "made",
      build: { dockerfile: "Dockerfile", args: { SAYS: "built" } },
      remoteUser: "dev",
      updateRemoteUserUID: true,
      runArgs: ["--cap-add=SYS_PTRACE", "--security-opt", "seccomp=unconfined"],
      workspaceMount: `source=${made},target=/work,type=bind`,
      workspaceFolder: "/work",
    },
    "FROM debian\nARG SAYS\nRUN echo $SAYS > /says && useradd -m -s /bin/bash dev\n",
  );
  await steps.run("build", call("build", ...of(made), "--buildkit", "never", "--image-name", "made:1"), {
    shows: /"outcome":"success"/,
  });
  await steps.run("up with a Dockerfile", call("up", ...of(made), "--buildkit", "never"), {
    shows: /"outcome":"success"/,
  });
  await steps.run(
    "exec as the remote user",
    call("exec", ...of(made), "sh", "-c", "id -un; pwd; cat /says"),
    {
      shows: /dev\s+\/work\s+built/,
    },
  );
  await steps.run(
    "an image with its metadata",
    ["docker", "inspect", "-f", "{{json .Config.Labels}}", "made:1"],
    {
      shows: /devcontainer\.metadata/,
    },
  );

  const composed = join(ground.scratch, "composed");
  await workspace(composed, {
    name: "composed",
    dockerComposeFile: "compose.yml",
    service: "app",
    workspaceFolder: "/workspace",
  });
  await Bun.write(
    join(composed, ".devcontainer", "compose.yml"),
    'version: "3.7"\nservices:\n  app:\n    image: debian\n    command: sleep infinity\n    volumes: ["..:/workspace"]\n  db:\n    image: busybox\n    command: sleep 1000\n',
  );
  if (existsSync("/usr/bin/docker-compose")) {
    const through = ["--docker-compose-path", "/usr/bin/docker-compose", "--buildkit", "never"];
    await steps.run("up with a compose file", call("up", ...of(composed), ...through), {
      shows: /"outcome":"success"/,
    });
    await steps.run(
      "exec in its service",
      call("exec", ...of(composed), ...through.slice(0, 2), "cat", "file"),
      {
        shows: /from the workspace/,
      },
    );
  }
  return steps.outcomes;
};
