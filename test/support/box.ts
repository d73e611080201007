import { AlpineBaseContributor } from "../../pipeline/constructs/packer/alpine/base.ts";
import { PackerBundle, type PackerBundleProps } from "../../pipeline/constructs/packer/bundle.ts";
import { errorsOf, testApp, testRelease, ubuntuBase } from "./tree.ts";

/** A tree with a release, and one box beside it. */
export function boxApp(props: Partial<PackerBundleProps> = {}, id = "box") {
  const app = testApp();
  ubuntuBase(testRelease(app));
  new PackerBundle(app, id, { version: "3.24.2", contributors: [new AlpineBaseContributor()], ...props });
  return app;
}

/** What synth says is wrong with a tree with one box. */
export const boxErrors = (props: Partial<PackerBundleProps>, id?: string) => errorsOf(boxApp(props, id));
