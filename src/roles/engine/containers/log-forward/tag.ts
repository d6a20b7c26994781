// `--log-opt tag=…`: the template that names a container in somebody else's log. moby: daemon/logger/loginfo.go
import { badRequest } from "../../errors.ts";
import type { Container } from "../container.ts";

const FIELDS: Readonly<Record<string, (container: Container) => string>> = {
  ID: ({ shortId }) => shortId,
  FullID: ({ id }) => id,
  Name: ({ name }) => name,
  ImageID: ({ record }) => record.Image.replace(/^sha256:/, "").slice(0, 12),
  ImageFullID: ({ record }) => record.Image,
  ImageName: ({ record }) => record.Config.Image,
  DaemonName: () => "docker",
};

/** Checks a template without a container. ApiError 400 for what is beyond plain fields. */
export function checkTag(template: string): void {
  for (const [whole, name] of template.matchAll(/\{\{(.*?)\}\}/g)) {
    const field = /^\s*\.(\w+)\s*$/.exec(name!)?.[1];
    if (field === undefined || !FIELDS[field]) {
      throw badRequest(`log opt tag: ${whole}: only ${Object.keys(FIELDS).join(", ")} can be named`);
    }
  }
}

/** The tag of a container; its short id where no template was given. */
export function tagOf(container: Container): string {
  const template = container.host.LogConfig.Config["tag"] || "{{.ID}}";
  return template.replace(
    /\{\{\s*\.(\w+)\s*\}\}/g,
    (_whole, field: string) => FIELDS[field]?.(container) ?? "",
  );
}
