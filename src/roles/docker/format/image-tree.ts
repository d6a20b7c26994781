// `images --tree`: an image, its names, and below it the platforms it has. Laid out as the docker CLI lays it out.
import type { ImageSummary, ManifestSummary } from "../../../spec/engine/image.ts";
import { humanSize } from "./units.ts";
import { shortId } from "./words.ts";

const BLUE = "\x1b[34m";
const BOLD = "\x1b[1m";
const DEFAULT = "\x1b[39m";
const FAINT = "\x1b[2m";
const RESET = "\x1b[0m";
const TITLE = DEFAULT + BOLD;
const YELLOW = "\x1b[93m";

const WARNING =
  "WARNING: This is an experimental feature. The output may change and shouldn't be depended on.";
const GAP = "   ";

interface Node {
  label: string;
  /** Below an image. */
  child: boolean;
  available: boolean;
  id: string;
  total: number;
  content: number;
  used: boolean;
}

interface Column {
  title: string;
  width: number;
  align: "left" | "right";
  plain?: boolean;
  of(node: Node): string;
}

interface Tree {
  names: string[];
  image: Node;
  children: Node[];
}

const paint = (color: string, text: string) => (color === "" ? text : `${color}${text}${RESET}`);

/** At most `width` cells, the last one an ellipsis where something is missing. */
function ellipsis(text: string, width: number): string {
  const runes = [...text];
  return runes.length < width ? text : `${runes.slice(0, Math.max(0, width - 1)).join("")}…`;
}

function cell({ width, align }: Column, color: string, text: string): string {
  const own = Bun.stringWidth(text);
  if (own > width) return paint(color, ellipsis(text, width));
  const fill = " ".repeat(width - own);
  return align === "right" ? fill + paint(color, text) : paint(color, text) + fill;
}

function platformText({ os, architecture, variant }: NonNullable<ManifestSummary["ImageData"]>["Platform"]) {
  if (!os) return "unknown";
  return [os, architecture, ...(variant ? [variant] : [])].join("/");
}

function treeOf(image: ImageSummary): Tree {
  const manifests = image.Manifests ?? [];
  const children = manifests.flatMap((one): Node[] =>
    one.Kind !== "image" || !one.ImageData
      ? []
      : [
          {
            label: platformText(one.ImageData.Platform),
            child: true,
            available: one.Available,
            id: one.ID,
            total: one.Size.Total,
            content: one.Size.Content,
            used: one.ImageData.Containers.length > 0,
          },
        ],
  );
  return {
    names: [...(image.RepoTags ?? [])].sort((a, b) => b.length - a.length),
    image: {
      label: "",
      child: false,
      available: true,
      id: image.Id,
      total: image.Size,
      content: manifests.reduce((sum, one) => sum + one.Size.Content, 0),
      used: image.Containers > 0 || children.some((one) => one.used),
    },
    children,
  };
}

/** The columns that fit into `width`; the first is as wide as its widest word, or as there is room. */
function columnsFor(width: number, trees: readonly Tree[], terminal: boolean): Column[] {
  const marks = trees.some(({ children }) => children.some((one) => one.used));
  const mark = (node: Node) => {
    if (!marks) return "";
    if (!terminal) return node.used ? "U" : " ";
    return node.used ? inUse(true) : "   ";
  };
  const all: Column[] = [
    { title: "ID", width: 12, align: "left", of: (node) => shortId(node.id) },
    { title: "DISK USAGE", width: 10, align: "right", of: (node) => humanSize(node.total, 3) },
    { title: "CONTENT SIZE", width: 12, align: "right", of: (node) => humanSize(node.content, 3) },
    { title: "EXTRA", width: 5, align: "left", plain: true, of: mark },
  ];
  let left = width;
  const shown: Column[] = [];
  for (const column of all) {
    const needed = column.width + GAP.length;
    if (left - needed < 12) break;
    left -= needed;
    shown.push(column);
  }
  const widest = Math.max(
    "IMAGE".length,
    ...trees.flatMap(({ names, children }) => [
      ...names.map((name) => name.length),
      // In bytes, of which the branch's two characters have three each.
      ...children.map(({ label }) => label.length + Buffer.byteLength("└─ ")),
    ]),
  );
  return [
    { title: "IMAGE", width: Math.min(left, widest), align: "left", of: (node) => node.label },
    ...shown,
  ];
}

const inUse = (terminal: boolean) => (terminal ? "\x1b[38;5;0m\x1b[48;5;14m U \x1b[0m" : "U");

function legend(width: number, terminal: boolean): string {
  const info = terminal
    ? `${BOLD}\x1b[106m\x1b[30mi${RESET}${RESET} \x1b[96mInfo → ${RESET}${RESET}`
    : " Info -> ";
  const text = `${info} ${inUse(terminal)} In Use `;
  return " ".repeat(Math.max(0, width - Bun.stringWidth(text))) + text;
}

/** The whole view. `columns`: the terminal's width, 0 where there is none. */
export function imageTree(
  images: readonly ImageSummary[],
  options: { terminal: boolean; columns: number },
): string {
  const { terminal } = options;
  const width = Math.max(20, options.columns || 80);
  const trees = [...images].sort((a, b) => b.Created - a.Created).map(treeOf);
  const columns = columnsFor(width, trees, terminal);
  const first = columns[0]!;
  const color = (text: string) => (terminal ? text : "");
  const spaced = trees.some(({ children }) => children.length > 0);
  const details = (node: Node, own: string) =>
    columns
      .slice(1)
      .map((column) => GAP + cell(column, column.plain ? "" : own, column.of(node)))
      .join("");
  let text = `${paint(color(YELLOW), WARNING)}\n${legend(width, terminal)}\n\n`;
  text += `${columns.map((column) => cell(column, TITLE, column.title)).join(GAP)}\n`;
  for (const { names, image, children } of trees) {
    if (names.length === 0) text += cell(first, color(DEFAULT + FAINT), "<untagged>");
    for (const [at, name] of names.entries()) {
      text +=
        at < names.length - 1
          ? `${paint(color(BLUE + BOLD), ellipsis(name, options.columns || name.length + 1))}\n`
          : cell(first, color(BLUE + BOLD), name);
    }
    text += details(image, color(DEFAULT));
    if (children.length > 0 || spaced) text += "\n";
    for (const [at, child] of children.entries()) {
      const own = color(child.available ? DEFAULT : DEFAULT + FAINT);
      const branch = at < children.length - 1 ? "├─ " : "└─ ";
      text += `${cell(first, own, branch + child.label)}${details(child, own)}\n`;
    }
    text += "\n";
  }
  return text;
}
