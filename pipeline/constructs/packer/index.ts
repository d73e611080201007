// The names of boxes that an images.ts imports.
export { AlpineBaseContributor } from "./alpine/base.ts";
export { PackerBundle, type PackerBundleProps } from "./bundle.ts";
export type { BoxUser, NtpClient, PackerConfig } from "./config.ts";
export type { ContainerHostProps } from "./container-host.ts";
export type {
  Contribution,
  Contributor,
  PackerPostProcessor,
  PackerSettings,
  PackerSource,
  PackerVariable,
  ProvisioningScript,
} from "./contributor.ts";
export { DockerHostContributor } from "./docker-host.ts";
export type { PackerModel } from "./model.ts";
export { PodmanHostContributor } from "./podman-host.ts";
export { VagrantBoxContributor } from "./vagrant-box.ts";
