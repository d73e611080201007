import { PipelineError } from "../util/error.ts";

/**
 * The declaration with another tag: in the constant IMAGES_RELEASE_TAG, or else where the release is declared.
 * @throws PipelineError when neither is found exactly once
 */
export function withTag(declaration: string, text: string, present: string, tag: string): string {
  const forms = [`const IMAGES_RELEASE_TAG = "${present}"`, `tag: "${present}"`];
  const form = forms.find((each) => text.split(each).length === 2);
  if (form === undefined) {
    throw new PipelineError(`${declaration}: neither \`${forms.join("` nor `")}\` is there exactly once`, {
      code: "pin-not-found",
      fix: `change the tag by hand to ${tag}, then run \`npx smolvm-images synth\``,
    });
  }
  return text.replace(form, () => form.replace(present, () => tag));
}
