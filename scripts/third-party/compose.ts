// Debian's docker-compose 1.29 with an app of three services that wait for each other.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Steps, type Suite } from "./outcome.ts";

const APP = `version: "2.4"
services:
  db:
    image: busybox
    command: sh -c "echo db starts; sleep 1; touch /data/ready; exec nc -ll -p 5432 -e echo row"
    volumes: [data:/data]
    healthcheck: {test: ["CMD", "test", "-e", "/data/ready"], interval: 1s, retries: 20}
    networks: [back]
  api:
    image: busybox
    command: sh -c "echo api starts; nc db 5432 </dev/null; exec httpd -f -p 8080 -h /www"
    environment: {WHO: "\${WHO:-nobody}"}
    volumes: ["./www:/www:ro"]
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/index.html"], interval: 1s, retries: 20}
    networks: [front, back]
  web:
    build: {context: ./web, args: {GREETING: hello}}
    command: sh -c "wget -q -O - http://api:8080/index.html; exec sleep 1000"
    depends_on: {api: {condition: service_healthy}}
    ports: ["127.0.0.1:8099:80"]
    networks: [front]
    stop_grace_period: 1s
volumes: {data: {}}
networks: {front: {}, back: {internal: true}}
`;

export const compose: Suite = async (ground) => {
  const file = join(ground.scratch, "docker-compose.yml");
  writeFileSync(file, APP);
  await Bun.write(join(ground.scratch, "www", "index.html"), "page\n");
  await Bun.write(
    join(ground.scratch, "web", "Dockerfile"),
    "FROM busybox\nARG GREETING\nRUN echo $GREETING > /greeting\n",
  );
  // Compose 1.29 wants a field of images that the API has no more from 1.45 on; docker 28 fails it there as well.
  const env = { COMPOSE_API_VERSION: "1.44", WHO: "me" };
  const steps = new Steps(ground, env);
  const call = (...args: string[]) => ["docker-compose", "-p", "app", "-f", file, "--ansi", "never", ...args];
  await steps.run("config", call("config", "-q"));
  await steps.run("pull", call("pull", "db", "api"));
  await steps.run("build", call("build", "--pull"));
  await steps.run("up -d waits for health", call("up", "-d"));
  await steps.run("ps", call("ps"), { shows: /app_web_1\s[\s\S]*Up/ });
  await steps.run("ps -q", call("ps", "-q"), { shows: /^([0-9a-f]{64}\n){3}$/ });
  await steps.run("logs of one service", call("logs", "--no-color", "web"), { shows: /page/ });
  await steps.run("logs --tail", call("logs", "--no-color", "--tail=1"), { shows: /row|starts/ });
  await steps.run("exec", call("exec", "-T", "web", "cat", "/greeting"), { shows: /hello/ });
  await steps.run("exec sees the environment", call("exec", "-T", "api", "sh", "-c", "echo $WHO"), {
    shows: /me/,
  });
  await steps.run("exec gives the exit code", call("exec", "-T", "db", "sh", "-c", "exit 7"), { code: 7 });
  await steps.run("run --rm", call("run", "--rm", "-T", "--no-deps", "api", "echo", "once"), {
    shows: /once/,
  });
  await steps.run("names across the networks", call("exec", "-T", "web", "nslookup", "api"), {
    shows: /Address/,
  });
  await steps.run("port", call("port", "web", "80"), { shows: /127\.0\.0\.1:8099/ });
  await steps.run("top", call("top", "db"), { shows: /nc -ll/ });
  await steps.run("images", call("images"), { shows: /app_web/ });
  await steps.run("pause", call("pause", "api"));
  await steps.run("unpause", call("unpause", "api"));
  await steps.run("up again changes nothing", call("up", "-d"), { shows: /is up-to-date/ });
  await steps.run("up with a change makes anew", call("up", "-d"), {
    env: { ...env, WHO: "you" },
    shows: /Recreating app_api_1/,
  });
  await steps.run("scale", call("up", "-d", "--scale", "db=2", "--no-recreate"), {
    env: { ...env, WHO: "you" },
  });
  await steps.run("restart", call("restart", "-t", "1", "api"));
  await steps.run("stop", call("stop", "-t", "1"));
  await steps.run("start", call("start"));
  await steps.run("kill", call("kill"));
  await steps.run("rm", call("rm", "-f"));
  await steps.run("down -v", call("down", "-v", "--rmi", "local", "-t", "1"));
  await steps.run("nothing is left", ["docker", "ps", "-aq"], { shows: /^$/ });
  await steps.run("no network is left", ["docker", "network", "ls", "-q", "--filter", "type=custom"], {
    shows: /^$/,
  });
  await steps.run("no volume is left", ["docker", "volume", "ls", "-q"], { shows: /^$/ });
  return steps.outcomes;
};
