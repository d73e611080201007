import { Construct } from "constructs";
import { Release } from "./release.ts";

/** The one kernel of each arch that boots every flavor, in the formats of the release's vmms. */
export class Kernel extends Construct {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    Release.of(this).kernels.push(this);
  }
}
