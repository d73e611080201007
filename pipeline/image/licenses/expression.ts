import { distinct, isSpdx, type License, licenseRef } from "./license.ts";
import { spdxIdOf, withException } from "./names.ts";

/** A longer text is no expression, characters. A bound, because a package is not trusted. */
const LONGEST = 1000;

type Node =
  | { readonly name: string; readonly spdx: string | undefined }
  | { readonly operator: "AND" | "OR"; readonly operands: readonly Node[] };

/**
 * The text of a licence whose name is in an expression; undefined if it is not known. From the text, an exception or an
 * unusual name can be recognised.
 */
type TextOf = (name: string) => string | undefined;
/** The SPDX id of a text; undefined if it is not certain. */
type Recognise = (text: string) => string | undefined;

interface Context {
  /** @default no texts */
  readonly textOf?: TextOf;
  /** @default nothing is recognised */
  readonly recognise?: Recognise;
}

/**
 * The licences that an expression of short names says, such as `GPL-2+ or Artistic, and Expat` (Debian's machine-readable
 * copyright files) or `MIT AND (ISC OR 0BSD)` (SPDX). `and` binds closer than `or`, and a comma least of all.
 */
export function parseLicenses(text: string, context: Context = {}): License[] {
  if (text.trim() === "" || text.length > LONGEST) return [];
  const whole = { name: text.trim(), spdx: spdxIdOf(text.trim()) };
  const node = whole.spdx ? whole : parseNode(text, context);
  const operands = "operator" in node && node.operator === "AND" ? node.operands : [node];
  return distinct(operands.map(toLicense));
}

function parseNode(text: string, context: Context): Node {
  // `LGPLv3+_or_GPLv2+` is a spelling of Debian's libunistring.
  const spaced = text.replace(/_(or|and|with)_/gi, " $1 ");
  const tokens = spaced.match(/[(),]|[^\s(),]+/g) ?? [];
  let at = 0;
  let isComplete = true;
  const is = (...words: string[]) => words.includes(tokens[at]?.toLowerCase() ?? "");

  function list(): Node {
    let left = alternatives();
    while (is(",")) {
      at++;
      const operator = is("or") ? "OR" : "AND";
      if (is("or", "and")) at++;
      left = join(operator, [left, alternatives()]);
    }
    return left;
  }
  function alternatives(): Node {
    const operands = [conjunction()];
    while (is("or")) {
      at++;
      operands.push(conjunction());
    }
    return join("OR", operands);
  }
  function conjunction(): Node {
    const operands = [single()];
    while (is("and")) {
      at++;
      operands.push(single());
    }
    return join("AND", operands);
  }
  function single(): Node {
    if (is("(")) {
      at++;
      const inner = list();
      if (is(")")) at++;
      else isComplete = false;
      return inner;
    }
    const start = at;
    while (at < tokens.length && !is("and", "or", ",", "(", ")")) at++;
    if (at === start) isComplete = false;
    return leaf(tokens.slice(start, at).join(" "), context);
  }

  const node = list();
  // A text that the grammar does not have, such as two operators in a row, is a name.
  return isComplete && at === tokens.length ? node : { name: text.trim(), spdx: undefined };
}

function leaf(name: string, { textOf, recognise }: Context): Extract<Node, { name: string }> {
  const text = textOf?.(name);
  const [, licensed, exception] = /^(.+?)[ -]with[ -](.+)$/i.exec(name) ?? [];
  const id = licensed && spdxIdOf(licensed);
  const spdx =
    spdxIdOf(name) ?? (id && exception ? withException(id, exception, text) : text && recognise?.(text));
  return { name, spdx };
}

function join(operator: "AND" | "OR", operands: readonly Node[]): Node {
  if (operands.length === 1) return operands[0]!;
  const flat = operands.flatMap((each) =>
    "operator" in each && each.operator === operator ? each.operands : [each],
  );
  return { operator, operands: flat };
}

function toLicense(node: Node): License {
  const spdx = render(node);
  const named = { name: renderNames(node) };
  return spdx.known && isSpdx(spdx.text) ? { spdx: spdx.text } : named;
}

/** A node as an SPDX expression, and whether it has an SPDX id. */
function render(node: Node): { text: string; known: boolean } {
  if ("name" in node) return { text: node.spdx ?? licenseRef(node.name), known: node.spdx !== undefined };
  const parts = node.operands.map((each) => {
    const { text, known } = render(each);
    return { text: "operator" in each ? `(${text})` : text, known };
  });
  const texts = [...new Set(parts.map(({ text }) => text))].sort();
  return { text: texts.join(` ${node.operator} `), known: parts.some(({ known }) => known) };
}

const renderNames = (node: Node): string =>
  "name" in node
    ? node.name
    : node.operands
        .map((each) => ("operator" in each ? `(${renderNames(each)})` : each.name))
        .join(` ${node.operator.toLowerCase()} `);
