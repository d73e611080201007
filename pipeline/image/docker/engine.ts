import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import Docker from "dockerode";
import { errorCode, PipelineError } from "../../util/error.ts";
import { isAlive } from "../../util/process.ts";
import { reasonOf } from "../../util/reason.ts";

/**
 * The label of every container of this project. Its value is the pid of the process that made it, so that containers of
 * killed processes can be removed.
 */
export const OWNER_LABEL = "org.smolvm.pipeline.pid";

/** How long the Docker Engine has to answer a ping, ms. */
const PING_MS = 10_000;

/** Connects to the Docker Engine (`DOCKER_HOST`, or the local socket). @throws PipelineError saying what is wrong */
export async function connect(): Promise<Docker> {
  let docker: Docker;
  try {
    // dockerode reads DOCKER_HOST, and the certificates in DOCKER_CERT_PATH.
    docker = new Docker();
  } catch (cause) {
    throw new PipelineError(
      `DOCKER_HOST, DOCKER_CERT_PATH or DOCKER_TLS_VERIFY is not valid (${reasonOf(cause)})`,
      {
        code: "docker-unreachable",
        fix: "unset them, or set DOCKER_HOST to unix:///PATH or tcp://HOST:PORT",
        cause,
      },
    );
  }
  try {
    await new Docker({ timeout: PING_MS }).ping();
  } catch (cause) {
    throw unreachable(cause);
  }
  return docker;
}

function unreachable(cause: unknown): PipelineError {
  const host = process.env.DOCKER_HOST ?? "/var/run/docker.sock";
  const start = "start it with `sudo systemctl start docker`";
  switch (errorCode(cause)) {
    case "ENOENT":
      return onPath("dockerd")
        ? new PipelineError(`Docker is installed but not running (no ${host})`, {
            ...{ code: "docker-not-running", fix: start, cause },
          })
        : new PipelineError(`Docker is missing (no ${host})`, {
            code: "docker-missing",
            fix: "install Docker Engine, on Debian or Ubuntu with `sudo apt-get install docker.io`",
            cause,
          });
    case "ECONNREFUSED":
      return new PipelineError(`Docker is not running (${host} refuses connections)`, {
        ...{ code: "docker-not-running", fix: start, cause },
      });
    case "EACCES":
    case "EPERM":
      return new PipelineError(`permission denied on ${host}`, {
        code: "docker-denied",
        fix: "join the docker group (`sudo usermod -aG docker $USER`, then log in again)",
        cause,
      });
    default:
      return new PipelineError(`Docker does not answer at ${host} (${(cause as Error).message.trim()})`, {
        ...{ code: "docker-unreachable", fix: "see `docker info` and DOCKER_HOST", cause },
      });
  }
}

export const onPath = (program: string) =>
  (process.env.PATH ?? "").split(delimiter).some((directory) => existsSync(join(directory, program)));

/** Removes the containers that ended processes have left. */
export async function removeAbandonedContainers(docker: Docker): Promise<void> {
  for (const { Id, Labels } of await docker.listContainers({
    all: true,
    filters: { label: [OWNER_LABEL] },
  })) {
    if (!isAlive(Number(Labels[OWNER_LABEL]))) await removeContainer(docker, Id);
  }
}

/** Removes a container and its anonymous volumes, even if it is running. Does nothing if there is no such container. */
export async function removeContainer(docker: Docker, id: string): Promise<void> {
  await docker.getContainer(id).remove({ force: true, v: true }).catch(ignoreGone);
}

function ignoreGone(error: { statusCode?: number }): void {
  if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
}

/** Reads the Engine's events of a build, a pull or an import until the last. Rejects if one of them is an error. */
export async function follow(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  onEvent: (event: { stream?: string }) => void = () => {},
): Promise<void> {
  let failure: string | undefined;
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error) => (error ? reject(error) : resolve()),
      (event: { stream?: string; error?: string }) => {
        failure ??= event.error;
        onEvent(event);
      },
    );
  });
  if (failure !== undefined) throw new Error(failure);
}

export async function hasImage(docker: Docker, name: string): Promise<boolean> {
  try {
    await docker.getImage(name).inspect();
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  }
}
