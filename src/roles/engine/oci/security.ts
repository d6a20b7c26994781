// --security-opt. moby: daemon/daemon_unix.go parseSecurityOpt
import { readFileSync } from "node:fs";
import { badRequest } from "../errors.ts";

export interface SecurityOptions {
  seccomp: "default" | "unconfined" | { profile: string };
  noNewPrivileges: boolean;
  /** Name of a loaded AppArmor profile; "" is none. */
  apparmor: string;
}

/**
 * @param options as the client sends them: "no-new-privileges", "seccomp=…", "apparmor=…", "label=…"
 * @param defaults of the engine: `seccompProfile` is "builtin", "unconfined" or the path of a profile
 */
export function parseSecurityOptions(
  options: readonly string[] | null,
  defaults: { noNewPrivileges: boolean; seccompProfile: string },
): SecurityOptions {
  const parsed: SecurityOptions = {
    seccomp: engineProfile(defaults.seccompProfile),
    noNewPrivileges: defaults.noNewPrivileges,
    apparmor: "",
  };
  for (const option of options ?? []) {
    if (option === "no-new-privileges") {
      parsed.noNewPrivileges = true;
      continue;
    }
    // "label:disable" is how clients before 1.11 wrote it.
    const at = option.search(/[=:]/);
    if (at < 0) throw badRequest(`invalid --security-opt 1: "${option}"`);
    const name = option.slice(0, at);
    const value = option.slice(at + 1);
    switch (name) {
      case "seccomp":
        parsed.seccomp =
          value === "unconfined" ? "unconfined" : value === "builtin" ? "default" : { profile: value };
        break;
      case "apparmor":
        parsed.apparmor = value === "unconfined" ? "" : value;
        break;
      case "no-new-privileges":
        if (value !== "true" && value !== "false") {
          throw badRequest(`invalid --security-opt 2: "${option}"`);
        }
        parsed.noNewPrivileges = value === "true";
        break;
      case "label":
        // SELinux labels mean nothing where SELinux is off, and dockerd without --selinux-enabled ignores them too.
        break;
      default:
        throw badRequest(`invalid --security-opt 2: "${option}"`);
    }
  }
  return parsed;
}

function engineProfile(setting: string): SecurityOptions["seccomp"] {
  if (setting === "" || setting === "builtin") return "default";
  if (setting === "unconfined") return "unconfined";
  return { profile: readFileSync(setting, "utf8") };
}
