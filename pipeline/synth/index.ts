// The library of those who declare images of their own: constructs, and what turns a tree into files.
export * from "../constructs/index.ts";
export { type Output, synth } from "./synth.ts";
