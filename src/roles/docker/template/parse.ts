// Tokens → the tree. Grammar: text/template's pipelines, variables, if, with, range, break, continue, define, template, block.
import { type Expression, type Node, type Parsed, TemplateError } from "./ast.ts";
import { type Piece, split, type Token, tokens } from "./lex.ts";

/** Parses a template; `functions` are the names that may be called. Throws TemplateError. */
export function parse(template: string, functions: ReadonlySet<string>): Parsed {
  const pieces = split(template);
  const body = new Parser(pieces, functions);
  const { nodes, stopped } = body.list([]);
  if (stopped) throw new TemplateError(`template: :1: unexpected {{${stopped}}}`);
  return { nodes, definitions: body.definitions };
}

/** `"name" rest` → both. */
function named(word: string, text: string): [name: string, rest: string] {
  const match = /^("(?:[^"\\]|\\.)*"|`[^`]*`)\s*/.exec(text);
  if (!match) throw new TemplateError(`template: :1: unexpected ${JSON.stringify(text)} in ${word} clause`);
  const quoted = match[1]!;
  const name = quoted.startsWith("`") ? quoted.slice(1, -1) : (JSON.parse(quoted) as string);
  return [name, text.slice(match[0].length)];
}

class Parser {
  readonly definitions = new Map<string, Node[]>();
  #at = 0;
  /** Variables in scope; Go refuses unknown ones before it runs. */
  #variables: string[] = ["$"];
  #loops = 0;

  constructor(
    readonly pieces: readonly Piece[],
    readonly functions: ReadonlySet<string>,
  ) {}

  /** Nodes up to one of the words of `ends` (which is consumed), or the template's end. */
  list(ends: readonly string[]): { nodes: Node[]; stopped?: string; rest: string } {
    const nodes: Node[] = [];
    while (this.#at < this.pieces.length) {
      const piece = this.pieces[this.#at++]!;
      if (piece.kind === "text") {
        nodes.push({ kind: "text", text: piece.text });
        continue;
      }
      const word = /^(if|else|end|range|with|break|continue|define|template|block)\b/.exec(piece.text)?.[1];
      const rest = word === undefined ? piece.text : piece.text.slice(word.length).trim();
      if (word === "else" || word === "end") {
        if (ends.includes(word)) return { nodes, stopped: word, rest };
        return { nodes, stopped: word, rest };
      }
      if (word === "break" || word === "continue") {
        if (this.#loops === 0) throw new TemplateError(`template: :1: {{${word}}} outside {{range}}`);
        nodes.push({ kind: word });
      } else if (word === "if" || word === "with" || word === "range") {
        nodes.push(this.#block(word, rest, piece.at));
      } else if (word === "define") {
        if (ends.length > 0) throw new TemplateError("template: :1: unexpected {{define}}");
        this.#define("define", rest);
      } else if (word === "template") {
        nodes.push(this.#template(piece, rest));
      } else if (word === "block") {
        const [name, value] = named("block", rest);
        this.#define("block", rest.slice(0, rest.length - value.length));
        nodes.push(this.#template(piece, `${JSON.stringify(name)} ${value}`));
      } else {
        nodes.push(this.#action(piece));
      }
    }
    if (ends.length > 0) throw new TemplateError("template: :1: unexpected EOF");
    return { nodes, rest: "" };
  }

  /** Its own variables; the outer ones are not seen there. */
  #define(word: "define" | "block", text: string): void {
    const [name] = named(word, text);
    const outer = this.#variables;
    this.#variables = ["$"];
    const { nodes, stopped } = this.list(["end"]);
    if (stopped !== "end") throw new TemplateError("template: :1: unexpected {{else}}");
    this.#variables = outer;
    this.definitions.set(name, nodes);
  }

  #template(piece: Piece, text: string): Node {
    const [name, rest] = named("template", text);
    const value: Expression = rest === "" ? { kind: "literal", value: null } : this.#pipeline(tokens(rest));
    const source = `{{${piece.text}}}`;
    return { kind: "template", name, value, source, at: piece.at + piece.text.indexOf(text[0]!) };
  }

  #action(piece: Piece): Node {
    if (piece.text === "") throw new TemplateError("template: :1: missing value for command");
    const list = tokens(piece.text);
    const declared = declaration(list);
    if (declared) {
      if (declared.names.length !== 1)
        throw new TemplateError("template: :1: too many declarations in command");
      const name = declared.names[0]!;
      const value = this.#pipeline(declared.rest);
      if (!declared.declare && !this.#variables.includes(name)) {
        throw new TemplateError(`template: :1: undefined variable ${JSON.stringify(name)}`);
      }
      this.#variables.push(name);
      return { kind: "assign", name, value, declare: declared.declare, source: piece.text, at: piece.at };
    }
    return { kind: "print", value: this.#pipeline(list), source: piece.text, at: piece.at };
  }

  #block(word: "if" | "with" | "range", rest: string, at: number): Node {
    if (rest === "") throw new TemplateError(`template: :1: missing value for ${word}`);
    const scope = this.#variables.length;
    const list = tokens(rest);
    const declared = declaration(list);
    const value = this.#pipeline(declared ? declared.rest : list);
    const names = declared?.names ?? [];
    if (names.length > (word === "range" ? 2 : 1)) {
      throw new TemplateError(`template: :1: too many declarations in ${word}`);
    }
    this.#variables.push(...names);
    if (word === "range") this.#loops++;
    const body = this.list(["else", "end"]);
    if (word === "range") this.#loops--;
    let otherwise: Node[] = [];
    if (body.stopped === "else") {
      const more = /^(if|with)\b/.exec(body.rest)?.[1] as "if" | "with" | undefined;
      // {{else if x}} is {{else}}{{if x}}…{{end}} whose end is the outer one's.
      if (more) otherwise = [this.#block(more, body.rest.slice(more.length).trim(), at)];
      else {
        const tail = this.list(["end"]);
        if (tail.stopped !== "end") throw new TemplateError("template: :1: expected end; found {{else}}");
        otherwise = tail.nodes;
      }
    }
    this.#variables.length = scope;
    const common = { value, body: body.nodes, otherwise, source: rest, at };
    if (word !== "range") return { kind: word, bind: names[0], ...common };
    const [first, second] = names;
    return second === undefined
      ? { kind: "range", item: first, ...common }
      : { kind: "range", index: first, item: second, ...common };
  }

  #pipeline(list: readonly Token[]): Expression {
    const stages: Expression[] = [];
    let depth = 0;
    let command: Token[] = [];
    for (const token of list) {
      if (token.text === "(" && token.kind === "symbol") depth++;
      if (token.text === ")" && token.kind === "symbol") depth--;
      if (token.kind === "symbol" && token.text === "|" && depth === 0) {
        stages.push(this.#command(command));
        command = [];
      } else command.push(token);
    }
    stages.push(this.#command(command));
    for (const stage of stages.slice(1)) {
      if (stage.kind !== "call") throw new TemplateError("template: :1: non executable command in pipeline");
    }
    return stages.length === 1 ? stages[0]! : { kind: "pipeline", stages };
  }

  #command(list: readonly Token[]): Expression {
    const operands: Expression[] = [];
    let callee: string | undefined;
    let fresh = true;
    let at = 0;
    while (at < list.length) {
      const token = list[at]!;
      if (token.kind === "space") {
        fresh = true;
        at++;
        continue;
      }
      // .Field straight behind an operand belongs to it.
      if (token.kind === "field" && !fresh && operands.length > 0) {
        operands.push({ kind: "field", of: operands.pop()!, name: token.text.slice(1) });
        at++;
        continue;
      }
      if (!fresh && token.text !== "(")
        throw new TemplateError(`template: :1: unexpected ${JSON.stringify(token.text)} in operand`);
      fresh = false;
      at++;
      switch (token.kind) {
        case "string":
        case "number":
          operands.push({ kind: "literal", value: token.value! });
          break;
        case "dot":
          operands.push({ kind: "dot" });
          break;
        case "field":
          operands.push({ kind: "field", of: { kind: "dot" }, name: token.text.slice(1) });
          break;
        case "variable":
          if (!this.#variables.includes(token.text)) {
            throw new TemplateError(`template: :1: undefined variable ${JSON.stringify(token.text)}`);
          }
          operands.push({ kind: "variable", name: token.text });
          break;
        case "word":
          if (token.text === "true" || token.text === "false") {
            operands.push({ kind: "literal", value: token.text === "true" });
          } else if (token.text === "nil") operands.push({ kind: "literal", value: null });
          else {
            if (!this.functions.has(token.text)) {
              throw new TemplateError(`template: :1: function ${JSON.stringify(token.text)} not defined`);
            }
            if (callee === undefined && operands.length === 0) callee = token.text;
            else operands.push({ kind: "call", name: token.text, args: [] });
          }
          break;
        case "symbol": {
          if (token.text !== "(")
            throw new TemplateError(`template: :1: unexpected ${JSON.stringify(token.text)} in operand`);
          let depth = 1;
          const start = at;
          while (at < list.length && depth > 0) {
            const one = list[at++]!;
            if (one.kind === "symbol" && one.text === "(") depth++;
            if (one.kind === "symbol" && one.text === ")") depth--;
          }
          if (depth > 0) throw new TemplateError("template: :1: unclosed left paren");
          operands.push(this.#pipeline(list.slice(start, at - 1)));
          break;
        }
      }
    }
    if (callee !== undefined) return { kind: "call", name: callee, args: operands };
    if (operands.length === 0) throw new TemplateError("template: :1: missing value for command");
    if (operands.length > 1) {
      const [of, ...args] = operands;
      if (of?.kind === "field") return { kind: "method", of, args };
      throw new TemplateError("template: :1: can't give argument to non-function");
    }
    return operands[0]!;
  }
}

/** `$a := …`, `$a = …`, `$i, $v := …`. */
function declaration(
  list: readonly Token[],
): { names: string[]; declare: boolean; rest: Token[] } | undefined {
  const names: string[] = [];
  let at = 0;
  const skip = () => {
    while (list[at]?.kind === "space") at++;
  };
  for (;;) {
    skip();
    const token = list[at];
    if (token?.kind !== "variable") return undefined;
    names.push(token.text);
    at++;
    skip();
    const next = list[at];
    at++;
    if (next?.text === ",") continue;
    if (next?.kind === "symbol" && (next.text === ":=" || next.text === "=")) {
      return { names, declare: next.text === ":=", rest: list.slice(at) };
    }
    return undefined;
  }
}
