/** Text that is HTML already. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[];

/** HTML from a template. Values are escaped, unless they are HTML themselves. */
export const html = (strings: TemplateStringsArray, ...values: readonly Value[]): Html =>
  new Html(strings.map((text, at) => text + (at < values.length ? rendered(values[at]!) : "")).join(""));

function rendered(value: Value): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(({ text }) => text).join("\n");
  return String(value).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** JSON inside a `<script>`, which nothing in it can end. */
export const jsonInHtml = (data: unknown): Html => new Html(JSON.stringify(data).replaceAll("<", "\\u003c"));
