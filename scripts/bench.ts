// npm run bench [-- --only runtime|engine] [-- --runs N]: side by side with the real programs, where they are installed.
import { join } from "node:path";

const PARTS = ["runtime", "engine"];

const at = process.argv.indexOf("--only");
const only = at < 0 ? PARTS : (process.argv[at + 1] ?? "").split(",");
const rest = process.argv.slice(2).filter((_word, i) => at < 0 || (i !== at - 2 && i !== at - 1));
for (const part of PARTS.filter((name) => only.includes(name))) {
  console.log(`\n== ${part}`);
  // A process each: what one leaves in memory or in its environment is not the next one's.
  const run = Bun.spawnSync([process.execPath, join(import.meta.dir, `bench-${part}.ts`), ...rest], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (run.exitCode !== 0) process.exitCode = 1;
}
