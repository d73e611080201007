import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPORT_MARK } from "../../schema/mark.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import { PACKAGE } from "../../util/package.ts";
import { unique } from "../../util/unique.ts";
import { bootCharts, type Chart, COLOURS, seriesOf, sizeCharts } from "./charts.ts";
import { Html, html, jsonInHtml } from "./html.ts";
import type { Report, ReportedAsset, ReportedPackage } from "./report.ts";

/** The most files that the details of an asset list. */
const MOST_FILES = 20;

/** A report as one HTML document, which needs nothing from elsewhere. The same report gives the same bytes. */
export function page(report: Report): string {
  const [css, script] = ["page.css", "page.js"].map(read) as [string, string];
  const hash = createHash("sha256").update(script).digest("base64");
  // Nothing that comes from a release can run, or be fetched: only the script below runs.
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
${new Html(REPORT_MARK)}
<title>${report.tag}: images of ${report.repository}</title>
<style>
${new Html(css)}</style>
</head>
<body>
<header>
<h1>${report.tag}</h1>
<p>${summary(report)}</p>
</header>
<main>
${assetSection(report)}
${refusedSection(report)}
${chartSection("Sizes over the last releases", "", sizeCharts(report), report)}
${chartSection(
  "Boot times over the last releases",
  "From the start of QEMU to a finished SSH login. Releases whose boots had another accelerator are left out.",
  bootCharts(report),
  report,
)}
</main>
<script type="application/json" id="data">${jsonInHtml(data(report))}</script>
<script>${new Html(script)}</script>
</body>
</html>
`.text;
}

const read = (name: string) => readFileSync(join(PACKAGE, "pipeline/release/report", name), "utf8");

function summary({ repository, url, attested, assets }: Report): Html {
  const built = assets.filter(({ from }) => from === undefined).length;
  const total = assets.reduce((sum, { size }) => sum + size, 0);
  const link =
    url === undefined ? html`Images of ${repository}` : html`<a href="${url}">Images of ${repository}</a>`;
  const origin = attested
    ? html`Each file is attested: <code>gh attestation verify FILE --repo ${repository}</code> says which commit made it.`
    : html`The files are not attested.`;
  return html`${link}: ${assets.length} files, ${humanBytes(total)}. ${built} were built for this release, ${
    assets.length - built
  } were carried over from an earlier one with the same inputs. ${origin}`;
}

const COLUMNS: readonly { readonly title: string; readonly number?: true; readonly unsorted?: true }[] = [
  { title: "File" },
  { title: "Flavor" },
  { title: "Arch" },
  { title: "Download", number: true },
  { title: "Unpacked", number: true },
  { title: "Login after", number: true },
  { title: "Packages", number: true },
  { title: "Booted on" },
  { title: "Built" },
  { title: "sha256", unsorted: true },
];

function assetSection(report: Report): Html {
  const { assets } = report;
  const options = (values: readonly string[]) =>
    unique(values).map((value) => html`<option>${value}</option>`);
  const flavors = assets.flatMap(({ flavor }) => flavor ?? []);
  return html`<section aria-labelledby="files">
<h2 id="files">Files</h2>
<form role="search">
<label>Name has <input type="search" name="text" autocomplete="off"></label>
<label>Flavor <select name="flavor"><option value="">all</option>${options(flavors)}</select></label>
<label>Arch <select name="arch"><option value="">all</option>${options(assets.map(({ arch }) => arch))}</select></label>
<output id="count" aria-live="polite"></output>
</form>
<p id="copied" role="status"></p>
<table class="assets">
<caption>A name opens the packages, licences and largest files. A heading sorts.</caption>
<thead><tr>
${COLUMNS.map(
  ({ title, number, unsorted }) =>
    html`<th scope="col"${new Html(number ? ' class="number"' : "")}>${
      unsorted ? title : html`<button type="button">${title}</button>`
    }</th>`,
)}
</tr></thead>
<tbody>
${assets.map(row)}
</tbody>
</table>
</section>`;
}

function row(asset: ReportedAsset, index: number): Html {
  const { name, flavor, arch, size, contentSize, boot, inventory, proven, from, sha256 } = asset;
  const cells = [
    html`<td><button type="button" class="open" aria-expanded="false">${name}</button></td>`,
    cell("Flavor", flavor ?? "all"),
    cell("Arch", arch),
    cell("Download", humanBytes(size), size),
    contentSize === undefined
      ? cell("Unpacked", "-", 0)
      : cell("Unpacked", humanBytes(contentSize), contentSize),
    boot === undefined
      ? cell("Login after", "-", 0)
      : cell("Login after", `${(boot.ms / 1000).toFixed(1)} s (${boot.accel})`, boot.ms),
    inventory === undefined
      ? cell("Packages", "-", 0)
      : cell("Packages", inventory.packages.length, inventory.packages.length),
    cell("Booted on", proven.join(", ")),
    cell("Built", from === undefined ? "for this release" : `for ${from}`),
    html`<td data-label="sha256"><code>${sha256.slice(0, 12)}</code> <button type="button" class="copy" data-sha256="${sha256}" data-name="${name}" aria-label="Copy the sha256 of ${name}">copy</button></td>`,
  ];
  return html`<tr class="asset" data-asset="${index}" data-name="${name.toLowerCase()}" data-flavor="${flavor ?? ""}" data-arch="${arch}">
${cells}
</tr>
<tr class="details"><td colspan="${COLUMNS.length}">
<p><code>${sha256}</code>${inventory === undefined ? "" : html`; inventory: <code>${inventory.asset}</code>`}</p>
<div class="lists"></div>
</td></tr>`;
}

/** @param value what the column is sorted by. @default its text */
const cell = (label: string, text: string | number, value?: number): Html =>
  value === undefined
    ? html`<td data-label="${label}">${text}</td>`
    : html`<td data-label="${label}" class="number" data-value="${value}">${text}</td>`;

function refusedSection({ refused }: Report): Html {
  if (refused.length === 0) return html``;
  return html`<section aria-labelledby="refused">
<h2 id="refused">Not offered</h2>
<ul>
${refused.map(({ preset, flavor, reason }) => html`<li>${preset} on ${flavor}: ${reason}</li>`)}
</ul>
</section>`;
}

function chartSection(title: string, note: string, charts: readonly Chart[], report: Report): Html {
  if (charts.length === 0) return html``;
  const legend = seriesOf(report).map(
    (series, index) =>
      html`<li><svg viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1" fill="${COLOURS[index % COLOURS.length]!}"/></svg> ${series}</li>`,
  );
  const id = title.toLowerCase().replaceAll(" ", "-");
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${note === "" ? "" : html`<p>${note}</p>`}
<ul class="legend">
${legend}
</ul>
<div class="charts">
${charts.map(({ title: caption, svg }) => html`<figure><figcaption>${caption}</figcaption>${svg}</figure>`)}
</div>
</section>`;
}

/** What the script shows of an opened row. A package that several images have is there once. */
function data({ assets }: Report) {
  const packages: ReportedPackage[] = [];
  const indexes = new Map<string, number>();
  const indexOf = (each: ReportedPackage): number => {
    const key = JSON.stringify(fields(each));
    const known = indexes.get(key) ?? packages.push(each) - 1;
    indexes.set(key, known);
    return known;
  };
  const listed = assets.map(({ inventory }) => ({
    inventory: (inventory?.packages ?? []).map(indexOf),
    files: Object.entries(inventory?.files ?? {})
      .sort(([, a], [, b]) => b - a)
      .slice(0, MOST_FILES),
  }));
  return { packages: packages.map(fields), assets: listed };
}

const fields = ({ type, name, version, licenses }: ReportedPackage) =>
  [type, name, version, licenses] as const;
