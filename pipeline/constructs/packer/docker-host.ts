import type { PackerConfig } from "./config.ts";
import {
  CGROUPS,
  CONTAINER_HOST_SCRIPT,
  type ContainerHostProps,
  containerHostErrors,
  createUsers,
  install,
  loadModules,
  usersOf,
} from "./container-host.ts";
import type { Contribution, Contributor } from "./contributor.ts";

/** Docker Engine as a service, with its command line and Compose. */
export class DockerHostContributor implements Contributor {
  readonly name = "docker-host";
  readonly order = 20;
  readonly errors: readonly string[];
  readonly #props: ContainerHostProps;

  constructor(props: ContainerHostProps = {}) {
    this.errors = containerHostErrors(props);
    this.#props = props;
  }

  contribute(config: PackerConfig): Contribution {
    const users = usersOf(this.#props, config);
    const packages = ["docker", "docker-cli-compose", ...(this.#props.packages ?? [])];
    const parts = [
      install(packages),
      CGROUPS,
      loadModules(["overlay", "br_netfilter"]),
      DAEMON,
      "# The service starts at boot. Users of the group docker have the rights of root.\n" +
        "rc-update add docker default\n" +
        createUsers(users) +
        users.map((user) => `addgroup ${user} docker\n`).join(""),
    ];
    return { scripts: [{ name: CONTAINER_HOST_SCRIPT, text: parts.join("\n") }] };
  }
}

const DAEMON = `# Logs of containers do not fill the disk.
mkdir -p /etc/docker
cat >/etc/docker/daemon.json <<'END'
{
  "log-driver": "json-file",
  "log-opts": { "max-size": "10m", "max-file": "3" }
}
END
`;
