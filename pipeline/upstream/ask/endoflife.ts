import { z } from "zod";
import type { Upstream } from "../upstream.ts";
import { askJson } from "./http.ts";

/** What https://endoflife.date/docs/api/v1/ says of a product: its releases, newest first. */
const Product = z.object({
  result: z.object({
    releases: z.array(
      z.object({
        name: z.string(),
        isLts: z.boolean(),
        releaseDate: z.iso.date(),
        /** The last day of support; null where it is not known. */
        eolFrom: z.iso.date().nullable().optional(),
        /** Whether support has ended. The day of that may not be known. */
        isEol: z.boolean().optional(),
      }),
    ),
  }),
});
export type Endoflife = z.infer<typeof Product>["result"]["releases"];

/** The releases of a product. @param product as endoflife.date names it @throws Unknown */
export function releasesOf(upstream: Upstream, product: string): Promise<Endoflife> {
  const known = upstream.endoflife.get(product);
  if (known) return known;
  const url = `${upstream.addresses.endoflife}/api/v1/products/${product}/`;
  const asked = askJson(upstream, url, Product).then(({ result }) => result.releases);
  upstream.endoflife.set(product, asked);
  return asked;
}
