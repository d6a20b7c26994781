// Runs a parsed template over data.
import { type Expression, type Node, type Parsed, TemplateError } from "./ast.ts";
import { headerFunctions, functions as standard, type TemplateFunction } from "./functions.ts";
import { parse } from "./parse.ts";
import { isMap, print, truth, type Value } from "./value.ts";

/** Templates that call themselves; Go's limit is one that our stack has no room for. */
const MAX_DEPTH = 500;

class Break extends Error {}
class Continue extends Error {}

interface Scope {
  dot: Value;
  variables: Map<string, Value>;
  parent?: Scope;
}

export interface Template {
  /** The text for `data`. Throws TemplateError. */
  execute(data: Value, functions?: Readonly<Record<string, TemplateFunction>>): string;
}

/** Compiles a template. Throws TemplateError ("template: :1: …"). */
export function compile(text: string): Template {
  const parsed = parse(text, new Set(Object.keys(standard)));
  return {
    execute(data, functions = standard) {
      const run = new Run(parsed.definitions, functions);
      run.nodes(parsed.nodes, { dot: data, variables: new Map([["$", data]]) });
      return run.out;
    },
  };
}

/** Go's own names where JSON's differ in case only: .ID for "Id", .APIVersion for "ApiVersion". */
export function member(value: Value, name: string): { found: boolean; value: Value } {
  if (!isMap(value)) return { found: false, value: undefined };
  if (Object.hasOwn(value, name)) return { found: true, value: value[name] };
  const folded = name.toLowerCase();
  const key = Object.keys(value).find((one) => one.toLowerCase() === folded);
  return key === undefined ? { found: false, value: undefined } : { found: true, value: value[key] };
}

class Run {
  out = "";
  #depth = 0;

  constructor(
    readonly definitions: Parsed["definitions"],
    readonly functions: Readonly<Record<string, TemplateFunction>>,
  ) {}

  nodes(nodes: readonly Node[], scope: Scope): void {
    for (const node of nodes) this.#node(node, scope);
  }

  #node(node: Node, scope: Scope): void {
    switch (node.kind) {
      case "text":
        this.out += node.text;
        return;
      case "break":
        throw new Break();
      case "continue":
        throw new Continue();
      case "print":
        this.out += shown(node.value, this.#guarded(node, scope));
        return;
      case "template": {
        const body = this.definitions.get(node.name);
        if (!body) {
          throw this.#failure(node, new TemplateError(`template ${JSON.stringify(node.name)} not defined`));
        }
        const dot = this.#guarded(node, scope);
        if (++this.#depth > MAX_DEPTH) {
          throw this.#failure(node, new TemplateError("exceeded maximum template depth (100000)"));
        }
        this.nodes(body, { dot, variables: new Map([["$", dot]]) });
        this.#depth--;
        return;
      }
      case "assign": {
        const value = this.#guarded(node, scope);
        let owner: Scope | undefined = scope;
        if (!node.declare) while (owner && !owner.variables.has(node.name)) owner = owner.parent;
        (owner ?? scope).variables.set(node.name, value);
        return;
      }
      case "if":
      case "with": {
        const value = this.#guarded(node, scope);
        const inner: Scope = { dot: scope.dot, variables: new Map(), parent: scope };
        if (node.bind) inner.variables.set(node.bind, value);
        if (truth(value)) {
          if (node.kind === "with") inner.dot = value;
          this.nodes(node.body, inner);
        } else this.nodes(node.otherwise, inner);
        return;
      }
      case "range":
        this.#range(node, scope);
    }
  }

  #range(node: Extract<Node, { kind: "range" }>, scope: Scope): void {
    const value = this.#guarded(node, scope);
    let entries: [Value, Value][];
    if (Array.isArray(value)) entries = value.map((item, i) => [i, item]);
    else if (isMap(value)) entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    else if (typeof value === "number") entries = Array.from({ length: value }, (_none, i) => [i, i]);
    else if (value === null || value === undefined) entries = [];
    else throw this.#failure(node, new TemplateError(`range can't iterate over ${print(value)}`));
    if (entries.length === 0) {
      this.nodes(node.otherwise, { dot: scope.dot, variables: new Map(), parent: scope });
      return;
    }
    for (const [index, item] of entries) {
      const variables = new Map<string, Value>();
      if (node.index) variables.set(node.index, index);
      if (node.item) variables.set(node.item, item);
      try {
        this.nodes(node.body, { dot: item, variables, parent: scope });
      } catch (error) {
        if (error instanceof Break) return;
        if (!(error instanceof Continue)) throw error;
      }
    }
  }

  #guarded(node: { value: Expression; source: string; at: number }, scope: Scope): Value {
    try {
      return this.#value(node.value, scope);
    } catch (error) {
      throw this.#failure(node, error);
    }
  }

  #failure(node: { source: string; at: number }, error: unknown): unknown {
    if (!(error instanceof TemplateError) || error.message.startsWith("template:")) return error;
    // Go's position of a chain of fields is its second one's.
    const first = /^(\.\w+)\.[\w.]+$/.exec(node.source)?.[1]?.length ?? 0;
    return new TemplateError(
      `template: :1:${node.at + first}: executing "" at <${node.source}>: ${error.message}`,
    );
  }

  #value(expression: Expression, scope: Scope, piped?: { value: Value }): Value {
    switch (expression.kind) {
      case "literal":
        return expression.value;
      case "dot":
        return scope.dot;
      case "variable":
        return lookup(scope, expression.name);
      case "field": {
        const of = this.#value(expression.of, scope);
        const { found, value } = member(of, expression.name);
        if (found) return value;
        if (of === null || of === undefined) {
          throw new TemplateError(`nil data; no entry for key ${JSON.stringify(expression.name)}`);
        }
        if (isMap(of)) throw new TemplateError(`map has no entry for key ${JSON.stringify(expression.name)}`);
        throw new TemplateError(`can't evaluate field ${expression.name} in type ${typeof of}`);
      }
      case "call": {
        const { name, args } = expression;
        // and, or stop at the deciding argument.
        if ((name === "and" || name === "or") && !piped) return this.#shortcut(name, args, scope);
        const values = args.map((arg) => this.#value(arg, scope));
        if (piped) values.push(piped.value);
        return this.functions[name]!(...values);
      }
      case "method": {
        const method = this.#value(expression.of, scope);
        // In a table's header row the argument is the title: a label's name.
        if (typeof method === "string" && this.functions === headerFunctions) {
          return this.#value(expression.args[0]!, scope);
        }
        if (typeof method !== "function") throw new TemplateError("can't give argument to non-function");
        return (method as TemplateFunction)(...expression.args.map((arg) => this.#value(arg, scope)));
      }
      case "pipeline": {
        let result: { value: Value } | undefined;
        for (const stage of expression.stages) result = { value: this.#value(stage, scope, result) };
        return result?.value;
      }
    }
  }

  #shortcut(name: "and" | "or", args: readonly Expression[], scope: Scope): Value {
    let value: Value;
    for (const arg of args) {
      value = this.#value(arg, scope);
      if (truth(value) === (name === "or")) return value;
    }
    return value;
  }
}

const NIL_MAPS =
  /^(Labels|Volumes|PortBindings|Options|DriverOpts|Data|Sysctls|Ports|Networks|Annotations|Tmpfs|StorageOpt)$/;
const NIL_POINTERS =
  /^(Init|MemorySwappiness|OomKillDisable|PidsLimit|Healthcheck|IPAMConfig|StopTimeout|Health|Platform|SizeRw|SizeRootFs|Config|Server)$/;

// JSON has one null where Go has nil slices, maps and pointers, which print differently: the field's name tells which.
function shown(expression: Expression, value: Value): string {
  if (value !== null || expression.kind !== "field") return print(value);
  if (NIL_POINTERS.test(expression.name)) return "<nil>";
  return NIL_MAPS.test(expression.name) ? "map[]" : "[]";
}

function lookup(scope: Scope, name: string): Value {
  for (let at: Scope | undefined = scope; at; at = at.parent) {
    if (at.variables.has(name)) return at.variables.get(name);
  }
  return undefined;
}
