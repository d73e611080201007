import { data, Evaluator, Lexer, Parser } from "@actions/expressions";

/** What an expression can see: `github`, `needs`, `matrix`, … as plain JSON. */
export type Contexts = Readonly<Record<string, unknown>>;

/** What `success()` and `failure()` say where the expression stands. */
export interface Status {
  readonly failed: boolean;
  /** Whether something before it did not succeed: it failed, or it was skipped. */
  readonly incomplete: boolean;
}

const FUNCTIONS = ["success", "failure", "cancelled", "always"] as const;

/** The value of one expression, without its `${{ }}`. */
function evaluate(expression: string, contexts: Contexts, status: Status): data.ExpressionData {
  const value = { success: !status.incomplete, failure: status.failed, cancelled: false, always: true };
  const functions = FUNCTIONS.map((name) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(value[name]),
  }));
  const { tokens } = new Lexer(expression).lex();
  const parsed = new Parser(tokens, Object.keys(contexts), functions).parse();
  const context = JSON.parse(JSON.stringify(contexts), data.reviver) as data.Dictionary;
  return new Evaluator(parsed, context, new Map(functions.map((each) => [each.name, each]))).evaluate();
}

/** A text with every `${{ … }}` in it replaced by its value. */
export function interpolate(text: string, contexts: Contexts, status: Status): string {
  return text.replace(/\$\{\{(.*?)\}\}/gs, (_, expression: string) =>
    evaluate(expression.trim(), contexts, status).coerceString(),
  );
}

/** What one whole `${{ … }}` gives, as JSON has it. */
export function jsonOf(text: string, contexts: Contexts, status: Status): unknown {
  const [, expression = ""] = /^\$\{\{(.*)\}\}$/s.exec(text) ?? [];
  return JSON.parse(JSON.stringify(evaluate(expression.trim(), contexts, status), data.replacer));
}

/** Whether a job or a step is run: as if it said `success() && …`, where it asks for no status itself. */
export function holds(condition: string | undefined, contexts: Contexts, status: Status): boolean {
  const [, inner = condition ?? "success()"] = /^\$\{\{(.*)\}\}$/s.exec(condition ?? "") ?? [];
  const asks = FUNCTIONS.some((name) => inner.includes(`${name}(`));
  const result = evaluate(asks ? inner.trim() : `success() && (${inner})`, contexts, status);
  return !["false", "0", "", "null"].includes(result.coerceString());
}
