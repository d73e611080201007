import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { expect, it } from "vitest";
import { addLicenses } from "../../../../pipeline/image/licenses/cyclonedx.ts";
import type { License } from "../../../../pipeline/image/licenses/license.ts";
import { cyclonedxErrors } from "../../../support/cyclonedx.ts";

/** The component of a package with these licences, as CycloneDX 1.6 JSON. */
async function componentOf(licenses: readonly License[]) {
  const component = new Models.Component(Enums.ComponentType.Library, "a");
  addLicenses(component, licenses);
  const bom = new Models.Bom();
  bom.components.add(component);
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  const text = serializer.serialize(bom, { sortLists: true });
  expect(await cyclonedxErrors(text)).toBeNull();
  const [read] = JSON.parse(text).components;
  return { licenses: read.licenses, properties: read.properties };
}
const spdx = (id: string) => ({ spdx: id });
const name = (text: string) => ({ name: text });

it.each([
  [[spdx("MIT")], [{ license: { id: "MIT" } }]],
  [[name("public-domain")], [{ license: { name: "public-domain" } }]],
  [
    [spdx("MIT"), name("DEC")],
    [{ license: { name: "DEC" } }, { license: { id: "MIT" } }],
  ],
  [[spdx("ISC"), spdx("MIT")], [{ expression: "ISC AND MIT" }]],
  [[spdx("ISC OR MIT")], [{ expression: "ISC OR MIT" }]],
  [[spdx("ISC OR MIT"), spdx("Zlib")], [{ expression: "(ISC OR MIT) AND Zlib" }]],
  // CycloneDX 1.6 has no list of ids, names and expressions together.
  [
    [spdx("ISC OR MIT"), name("GPL-2+ variant/2")],
    [{ expression: "(ISC OR MIT) AND LicenseRef-GPL-2-or-later-variant-2" }],
  ],
])("%j is %j", async (licenses, expected) => {
  expect(await componentOf(licenses)).toEqual({ licenses: expected, properties: undefined });
});

it("says that licences are unknown, without a licence of that name", async () => {
  expect(await componentOf([])).toEqual({
    licenses: undefined,
    properties: [{ name: "smolvm:license", value: "unknown" }],
  });
});
