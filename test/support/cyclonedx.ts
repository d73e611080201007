import { Spec, Validation } from "@cyclonedx/cyclonedx-library";

const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);

/** What is wrong with an inventory according to CycloneDX's strict schema of version 1.6; null if it is valid. */
export const cyclonedxErrors = (text: string): Promise<unknown> => validator.validate(text);
