import domino from "@mixmark-io/domino";
import { dot, lineY, plot, ruleY } from "@observablehq/plot";
import { unique } from "../../util/unique.ts";
import { Html } from "./html.ts";
import type { PastRelease, Report } from "./report.ts";

/** A line of a chart: the values of one asset in the last releases. */
interface Point {
  readonly tag: string;
  /** `ubuntu, amd64`. */
  readonly series: string;
  readonly value: number;
}

/** One chart for the assets of one preset, of the bases, or of the kernel. */
export interface Chart {
  readonly title: string;
  /** Its SVG, which has nothing from elsewhere. */
  readonly svg: Html;
}

/** The series of all charts, in the order of their colours: `ubuntu, amd64`. */
export const seriesOf = ({ assets }: Report): string[] =>
  unique(assets.filter(({ flavor }) => flavor !== null).map(seriesName));

const seriesName = ({ flavor, arch }: Report["assets"][number]) => `${flavor}, ${arch}`;

/** Colours that can be told apart with any colour vision, on white and on black: the middle of Okabe and Ito's palette. */
export const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a7a00", "#56778f"];

/** The sizes on the wire, MB, over the last releases. */
export const sizeCharts = (report: Report): Chart[] =>
  charts(report, "MB on the wire", (past, name) => {
    const size = past.assets[name]?.size;
    return size === undefined ? undefined : size / 1e6;
  });

/** The seconds to a login over the last releases, of the boots that had the accelerator that the release had. */
export function bootCharts(report: Report): Chart[] {
  return charts(report, "seconds to a login", (past, name) => {
    const boot = past.assets[name]?.boot;
    const now = report.assets.find((each) => each.name === name)?.boot;
    return boot && boot.accel === now?.accel ? boot.ms / 1000 : undefined;
  });
}

function charts(
  report: Report,
  unit: string,
  valueIn: (past: PastRelease, name: string) => number | undefined,
): Chart[] {
  const all = seriesOf(report);
  const images = report.assets.filter(({ flavor }) => flavor !== null);
  return unique(images.map(({ what }) => what)).flatMap((what) => {
    const points = images
      .filter((asset) => asset.what === what)
      .flatMap((asset) =>
        report.history.flatMap((past): Point[] => {
          const value = valueIn(past, asset.name);
          return value === undefined ? [] : [{ tag: past.tag, series: seriesName(asset), value }];
        }),
      );
    if (points.length === 0) return [];
    return [{ title: what, svg: chart(`${what}: ${unit}`, unit, report.history, all, points) }];
  });
}

function chart(
  title: string,
  unit: string,
  history: readonly PastRelease[],
  series: readonly string[],
  points: Point[],
): Html {
  const drawn = plot({
    // The part of a document that drawing needs; its type is for browsers only.
    document: domino.createDocument() as never,
    ariaLabel: title,
    width: 340,
    height: 170,
    marginLeft: 44,
    marginBottom: 30,
    style: { background: "none" },
    x: { type: "point", domain: history.map(({ tag }) => tag), label: null, tickFormat: shortTag },
    y: { label: unit, grid: true, zero: true, nice: true, ticks: 4 },
    color: { type: "ordinal", domain: [...series], range: COLOURS },
    marks: [
      ruleY([0]),
      lineY(points, { x: "tag", y: "value", stroke: "series" }),
      dot(points, {
        ...{ x: "tag", y: "value", fill: "series", r: 3 },
        title: ({ tag, series, value }: Point) => `${series}, ${tag}: ${value.toFixed(1)} ${unit}`,
      }),
    ],
  });
  // One picture with one name: the library also names its groups, which have no role to be named in.
  drawn.setAttribute("role", "img");
  for (const group of drawn.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
  return new Html(drawn.outerHTML);
}

/** `images-v0.0.15` -> `v0.0.15`: all tags of a chart have the same prefix. */
const shortTag = (tag: string): string => tag.replace(/^.*-(?=v?\d)/, "");
