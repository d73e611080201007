import { Spec, Validation } from "@cyclonedx/cyclonedx-library";

/** What is wrong with a CycloneDX 1.6 document by its strict schema; null where nothing is. */
export const invalidIn = (text: string): Promise<unknown> =>
  new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text);
