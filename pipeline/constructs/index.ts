// The names that an images.ts imports.
export type { KernelSource, RootfsSource } from "../schema/cells.ts";
export type { PackageType } from "../schema/facts.ts";
export type { BuildMode, ModuleSet } from "../schema/initramfs/choices.ts";
export type { Arch, Vmm } from "../schema/names.ts";
export { App, type AppProps, type ReadFile } from "./app.ts";
export { BaseRootfs, type BaseRootfsProps, type Budget } from "./base-rootfs.ts";
export { type AptProps, type DebianProps, Flavor, type FlavorProps, type Tarball } from "./flavor.ts";
export {
  type ExtraModule,
  Initramfs,
  type InitramfsProps,
} from "./initramfs/initramfs.ts";
export type { ApplianceProgram, ReleaseFile } from "./initramfs/program.ts";
export type { Service } from "./initramfs/service.ts";
export { type Embedded, type Install, npm, uv } from "./install.ts";
export { Kernel, type KernelProps } from "./kernel.ts";
export type { Omit } from "./omit.ts";
export * from "./packer/index.ts";
export { PresetLayer, type PresetLayerProps } from "./preset-layer.ts";
export type { Program } from "./program.ts";
export type { AcceptedRegression, RegressionProps } from "./regressions.ts";
export { Release, type ReleaseProps } from "./release.ts";
export type { Unowned } from "./unowned.ts";
