import { describe, expect, it } from "vitest";
import { bootCharts, sizeCharts } from "../../../../pipeline/release/report/charts.ts";
import { html, jsonInHtml } from "../../../../pipeline/release/report/html.ts";
import { page } from "../../../../pipeline/release/report/page.ts";
import type { Report } from "../../../../pipeline/release/report/report.ts";
import { sampleReport } from "../../../support/report.ts";

const report = sampleReport();

/** The values in the titles of a chart's dots: `ubuntu, amd64, images-v0.0.1: 73.2 MB on the wire`. */
const dots = ({ text }: { text: string }) => [...text.matchAll(/<title>([^<]+)<\/title>/g)].map(([, t]) => t);

describe("HTML", () => {
  it("escapes values, and not what is HTML", () => {
    const bold = html`<b>${"<&'\">"}</b>`;
    expect(html`<p>${bold}${[bold]}${3}</p>`.text).toBe(
      `<p>${"<b>&#60;&#38;&#39;&#34;&#62;</b>".repeat(2)}3</p>`,
    );
  });

  it("holds JSON that cannot end its script", () => {
    const text = jsonInHtml({ name: "</script><!--" }).text;
    expect(text).not.toContain("<");
    expect(JSON.parse(text)).toEqual({ name: "</script><!--" });
  });
});

describe("charts", () => {
  it("have a dot for each release in which a file was, with its size", () => {
    const codex = sizeCharts(report).find(({ title }) => title === "codex")!;
    expect(dots(codex.svg)).toHaveLength(12);
    expect(dots(codex.svg)).toContain("ubuntu, amd64, images-v0.0.1: 244.8 MB on the wire");
    expect(dots(codex.svg)).toContain("alpine, arm64, images-v0.0.3: 174.0 MB on the wire");
  });

  it("leave out boots with another accelerator", () => {
    const [first, ...others] = report.history;
    const emulated = Object.fromEntries(
      Object.entries(first!.assets).map(([name, { size }]) => [
        name,
        { size, boot: { ms: 9000, accel: "tcg" as const } },
      ]),
    );
    const history: Report["history"] = [{ ...first!, assets: emulated }, ...others];
    const pi = bootCharts({ ...report, history }).find(({ title }) => title === "pi")!;
    expect(dots(pi.svg)).toHaveLength(8);
    expect(dots(pi.svg).join()).not.toContain("images-v0.0.1");
  });

  it("are not there without values", () => {
    expect(sizeCharts({ ...report, history: [] })).toEqual([]);
  });
});

describe("the page", () => {
  it("says where the files come from", () => {
    expect(page(report)).toContain("9 were built for this release, 4 were carried over");
    expect(page(report)).toContain("gh attestation verify FILE --repo example/images");
    expect(page(sampleReport({ attested: false }))).toContain("The files are not attested.");
  });

  it("names a package once that several images have", () => {
    expect(page(report).split(`"@openai/codex","0.204.0"`)).toHaveLength(2);
  });

  it("asks for nothing from elsewhere", () => {
    const text = page(report);
    const addresses = [...text.matchAll(/(?:src|href)="([^"]+)"|url\(([^)]+)\)/g)].map(([, a, b]) => a ?? b);
    expect(addresses).toEqual([report.url]);
    expect(text).toContain("default-src &#39;none&#39;; style-src");
  });
});
