import { z } from "zod";
import { checkProps, listOf } from "../props.ts";
import type { PackerConfig } from "./config.ts";

/** Who uses the container engine of a box, and what is installed with it. */
export interface ContainerHostProps {
  /** Who may use the engine. They are created where they do not exist. @default the user of the bundle */
  readonly users?: readonly string[] | undefined;
  /** Further packages of the distribution. @default none */
  readonly packages?: readonly string[] | undefined;
}

const Props: z.ZodType<ContainerHostProps> = z.strictObject({
  users: listOf(
    z.string().regex(/^(?!root$)[a-z_][a-z0-9_-]{0,30}$/, "is not the name of a user other than root"),
  ).optional(),
  packages: listOf(z.string().regex(/^[a-z0-9][a-z0-9+._-]*$/, "is not the name of a package")).optional(),
});

export const containerHostErrors = (props: ContainerHostProps): readonly string[] =>
  checkProps(Props, props).errors;

/** The script of each engine has this name, because a box has one engine. */
export const CONTAINER_HOST_SCRIPT = "container-host.sh";

export const usersOf = ({ users }: ContainerHostProps, { user }: PackerConfig): readonly string[] =>
  users ?? (user ? [user.name] : []);

/** Installs packages. */
export const install = (packages: readonly string[]): string => `apk add --no-cache ${packages.join(" ")}
`;

/** Creates the users that do not exist. */
export const createUsers = (users: readonly string[]): string =>
  users.map((user) => `id -u ${user} >/dev/null 2>&1 || adduser -D ${user}\n`).join("");

/** OpenRC mounts control groups: version 2 alone, which container engines need to limit memory and processors. */
export const CGROUPS = `# Control groups: version 2 alone.
sed -i -e '/^#*rc_cgroup_mode=/d' -e '/^#*rc_controller_cgroups=/d' /etc/rc.conf
printf '%s\\n' 'rc_cgroup_mode="unified"' 'rc_controller_cgroups="YES"' >>/etc/rc.conf
rc-update add cgroups default
`;

/** Loads kernel modules at boot. */
export const loadModules = (modules: readonly string[]): string => `# Kernel modules, loaded at boot.
for module in ${modules.join(" ")}; do
  grep -qx "$module" /etc/modules || echo "$module" >>/etc/modules
done
`;
