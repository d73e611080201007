// The entry point `./constructs`: the constructs, and synth.
export * from "../constructs/index.ts";
export { type Output, synth } from "./synth.ts";
