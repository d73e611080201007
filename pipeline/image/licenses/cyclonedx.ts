import { Models } from "@cyclonedx/cyclonedx-library";
import { isSpdxId, type License, licenseRef } from "./license.ts";

/** The property of a component whose licences are not known. A licence named `NOASSERTION` is taken for a licence by readers. */
const LICENSE_PROPERTY = "smolvm:license";

/**
 * Adds a package's licences to its component. CycloneDX 1.6 has a list of ids and names, or else one expression: an expression
 * if all are SPDX, and also if a part of them is one that a list cannot say; then `LicenseRef-NAME` stands for names.
 */
export function addLicenses(component: Models.Component, licenses: readonly License[]): void {
  if (licenses.length === 0) {
    component.properties.add(new Models.Property(LICENSE_PROPERTY, "unknown"));
  }
  for (const license of modelsOf(licenses)) component.licenses.add(license);
}

function modelsOf(licenses: readonly License[]): Models.License[] {
  const canBeListed = licenses.every((license) => "name" in license || isSpdxId(license.spdx));
  const hasNames = licenses.some((license) => "name" in license);
  if (canBeListed && (hasNames || licenses.length === 1)) {
    return licenses.map((license) =>
      "spdx" in license ? new Models.SpdxLicense(license.spdx) : new Models.NamedLicense(license.name),
    );
  }
  if (licenses.length === 0) return [];
  const parts = licenses.map((license) => ("spdx" in license ? license.spdx : licenseRef(license.name)));
  const joined = parts.map((part) => (parts.length > 1 && / OR /.test(part) ? `(${part})` : part));
  return [new Models.LicenseExpression(joined.join(" AND "))];
}
