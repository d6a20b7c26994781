// A Dockerfile's text as a list of instructions: directives, comments, continued lines, flags, here-documents.
import { atLine, DockerfileError } from "./error.ts";
import { splitFlags } from "./split.ts";

export interface Heredoc {
  name: string;
  content: string;
  /** The name was not quoted: variables in the content are replaced (COPY, ADD). */
  expand: boolean;
}

export interface Node {
  /** In lower case. */
  keyword: string;
  /** Leading "--name=value" words, as written. */
  flags: string[];
  /** What follows the keyword and its flags. */
  rest: string;
  /** The whole instruction on one line, as it is shown. */
  original: string;
  /** 1-based, of its first line. */
  line: number;
  heredocs: Heredoc[];
}

export interface Dockerfile {
  /** "\\" or "`" */
  escapeChar: string;
  /** The image that shall read the rest (`# syntax=`). */
  syntax: string | undefined;
  nodes: Node[];
  warnings: string[];
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const KNOWN_DIRECTIVES: ReadonlySet<string> = new Set(["escape", "syntax", "check"]);
const WITH_HEREDOCS: ReadonlySet<string> = new Set(["add", "copy", "run"]);
const HEREDOC = /(?:^|\s)(\d*)<<(-?)(?:"([^"<]+)"|'([^'<]+)'|([^\s<"'&;|>()]+))(?=\s|$|[;&|>)])/g;

/** The parser directives on top of the file. Throws DockerfileError. */
function readDirectives(lines: readonly string[]): { escapeChar: string; syntax: string | undefined } {
  const seen = new Set<string>();
  let escapeChar = "\\";
  let syntax: string | undefined;
  for (const [i, line] of lines.entries()) {
    const match = DIRECTIVE.exec(line.trim());
    const name = match?.[1]?.toLowerCase();
    if (!match || !KNOWN_DIRECTIVES.has(name!)) break;
    if (seen.has(name!)) throw atLine(i + 1, new Error(`only one ${name} parser directive can be used`));
    seen.add(name!);
    if (name === "syntax") syntax = match[2];
    if (name !== "escape") continue;
    if (match[2] !== "\\" && match[2] !== "`") {
      throw atLine(i + 1, new Error(`invalid escape token '${match[2]}' does not match \` or \\`));
    }
    escapeChar = match[2];
  }
  return { escapeChar, syntax };
}

interface Marker {
  name: string;
  expand: boolean;
  chomp: boolean;
}

/** The here-documents that an instruction's line announces. */
function markersOf(text: string): Marker[] {
  return [...text.matchAll(HEREDOC)].map(([, , chomp, double, single, bare]) => ({
    name: double ?? single ?? bare!,
    expand: bare !== undefined,
    chomp: chomp === "-",
  }));
}

class Lines {
  at = 0;
  constructor(
    readonly lines: readonly string[],
    readonly escapeChar: string,
  ) {}

  /** A line without a continuation mark at its end, and whether there was one. */
  #cut(line: string): { text: string; goesOn: boolean } {
    const mark = this.escapeChar === "\\" ? "\\\\" : "`";
    const match = new RegExp(`^((?:.*[^${mark}])?)${mark}[ \\t]*$`, "s").exec(line);
    return match ? { text: match[1]!, goesOn: true } : { text: line, goesOn: false };
  }

  /** The next instruction's text with its continued lines joined; undefined at the end. */
  next(warnings: string[]): { text: string; line: number } | undefined {
    while (this.at < this.lines.length && /^\s*(#|$)/.test(this.lines[this.at]!)) this.at++;
    if (this.at >= this.lines.length) return undefined;
    const line = this.at + 1;
    let { text, goesOn } = this.#cut(this.lines[this.at++]!.replace(/^\s+/, ""));
    let empty = false;
    while (goesOn && this.at < this.lines.length) {
      const raw = this.lines[this.at++]!;
      if (/^\s*#/.test(raw)) continue;
      if (raw.trim() === "") {
        empty = true;
        continue;
      }
      const more = this.#cut(raw);
      text += more.text;
      goesOn = more.goesOn;
    }
    if (empty) warnings.push(`[WARNING]: Empty continuation line found in:\n    ${text.trim()}`);
    return { text: text.trim(), line };
  }

  heredoc({ name, expand, chomp }: Marker): Heredoc {
    let content = "";
    for (;;) {
      const raw = this.lines[this.at++];
      if (raw === undefined) throw new DockerfileError("unterminated heredoc");
      const line = chomp ? raw.replace(/^\t+/, "") : raw;
      if (line === name) return { name, content, expand };
      content += `${line}\n`;
    }
  }
}

/** Throws DockerfileError. An empty file is an error too. */
export function parseDockerfile(source: string): Dockerfile {
  const lines = source.replace(/^\uFEFF/, "").split(/\r?\n/);
  const { escapeChar, syntax } = readDirectives(lines);
  const reader = new Lines(lines, escapeChar);
  const nodes: Node[] = [];
  const warnings: string[] = [];
  for (let next = reader.next(warnings); next; next = reader.next(warnings)) {
    const { text, line } = next;
    try {
      nodes.push(nodeOf(text, line, escapeChar, reader));
    } catch (error) {
      throw atLine(line, error);
    }
  }
  if (warnings.length > 0) {
    warnings.push("[WARNING]: Empty continuation lines will become errors in a future release.");
  }
  if (nodes.length === 0) throw new DockerfileError("file with no instructions");
  return { escapeChar, syntax, nodes, warnings };
}

function nodeOf(text: string, line: number, escapeChar: string, reader: Lines): Node {
  const [, keyword = "", arguments_ = ""] = /^(\S+)(?:\s+([\s\S]*))?$/.exec(text) ?? [];
  const { flags, rest } = splitFlags(arguments_.trim(), escapeChar);
  const name = keyword.toLowerCase();
  const onbuild = name === "onbuild" ? /^(\S+)/.exec(rest)?.[1]?.toLowerCase() : undefined;
  const heredocs = WITH_HEREDOCS.has(onbuild ?? name)
    ? markersOf(rest).map((marker) => reader.heredoc(marker))
    : [];
  return { keyword: name, flags, rest, original: text, line, heredocs };
}
