// The parts of a Go template (text/template), as parse.ts finds them and evaluate.ts runs them.

export type Expression =
  | { kind: "literal"; value: string | number | boolean | null }
  | { kind: "dot" }
  | { kind: "variable"; name: string }
  | { kind: "field"; of: Expression; name: string }
  | { kind: "call"; name: string; args: Expression[] }
  /** .Label "name": a method of a row. */
  | { kind: "method"; of: Expression; args: Expression[] }
  /** a | b: the value of each is the last argument of the next. */
  | { kind: "pipeline"; stages: Expression[] };

export type Node =
  | { kind: "text"; text: string }
  | { kind: "print"; value: Expression; source: string; at: number }
  | { kind: "assign"; name: string; value: Expression; declare: boolean; source: string; at: number }
  | {
      kind: "if";
      value: Expression;
      bind?: string;
      body: Node[];
      otherwise: Node[];
      source: string;
      at: number;
    }
  | {
      kind: "with";
      value: Expression;
      bind?: string;
      body: Node[];
      otherwise: Node[];
      source: string;
      at: number;
    }
  | {
      kind: "range";
      value: Expression;
      index?: string;
      item?: string;
      body: Node[];
      otherwise: Node[];
      source: string;
      at: number;
    }
  /** {{template "name" value}}; `value` is nil when not given. */
  | { kind: "template"; name: string; value: Expression; source: string; at: number }
  | { kind: "break" }
  | { kind: "continue" };

/** A whole template: its own nodes, and those of every {{define}}. */
export interface Parsed {
  nodes: Node[];
  definitions: ReadonlyMap<string, Node[]>;
}

/** What a template says or does wrong. `message` in Go's words as far as they are worth having. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}
