// `docker completion bash|zsh|fish|powershell`.
import type { Command } from "../command.ts";
import { scripts } from "../complete/scripts.ts";

const load: Record<keyof typeof scripts, string> = {
  bash: "source <(docker completion bash)",
  zsh: "source <(docker completion zsh)",
  fish: "docker completion fish | source",
  powershell: "docker completion powershell | Out-String | Invoke-Expression",
};

const completion = (shell: keyof typeof scripts): Command => ({
  use: "",
  short: `Generate the autocompletion script for ${shell}`,
  long: `Generate the autocompletion script for the ${shell} shell.

To load completions in your current shell session:

	${load[shell]}
`,
  flags: [{ name: "no-descriptions", kind: "bool", usage: "disable completion descriptions" }],
  args: { min: 0, max: 0 },
  anyAddress: true,
  async run({ cli, flags }) {
    const text = scripts[shell];
    cli.out(flags.bool("no-descriptions") ? text.replaceAll("__complete", "__completeNoDesc") : text);
    return 0;
  },
});

export const completions = {
  bash: completion("bash"),
  fish: completion("fish"),
  powershell: completion("powershell"),
  zsh: completion("zsh"),
};
