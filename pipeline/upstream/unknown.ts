import { PipelineError } from "../util/error.ts";

/** A source gave no answer that can be used, so what is newest there is not known. */
export class Unknown extends PipelineError {
  override readonly name = "Unknown";

  /** @param source the address that was asked */
  constructor(source: string, reason: string, cause?: unknown) {
    super(`${source}: ${reason}`, { code: "upstream-unknown", cause });
  }
}
