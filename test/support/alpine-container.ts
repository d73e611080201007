import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ALPINE_TARBALL } from "./alpine.ts";
import { command, type Ended, REPOSITORY } from "./project.ts";

/** The container image of the real Alpine root file system. */
export const ALPINE_IMAGE = "smolvm-test/alpine";

/** The address of the server inside the container. Its packages are those of the test data, in each branch and component. */
export const INSIDE = "http://127.0.0.1:8080";

/** Makes the image of the real Alpine root file system. */
export function importAlpine(): void {
  execFileSync("docker", ["import", "-", ALPINE_IMAGE], { input: readFileSync(ALPINE_TARBALL.url) });
}

/** Removes the image. */
export const removeAlpine = (): void => void execFileSync("docker", ["rmi", "-f", ALPINE_IMAGE]);

/** Serves packages, and the files of `/box/http`, to one client. */
const SERVE =
  String.raw`#!/bin/sh
end=$(printf '\r')
read -r _ path _
while read -r line && [ "$line" != "$end" ]; do :; done
case $path in
  /v3.*/x86_64/*) file=/packages/x86_64/` +
  "${path##*/}" +
  String.raw` ;;
  *) file=/box/http$path ;;
esac
if [ -f "$file" ]; then
  printf 'HTTP/1.1 200 OK\r\nContent-Length: %s\r\nConnection: close\r\n\r\n' "$(stat -c %s "$file")"
  cat "$file"
else
  printf 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
fi
`;

/**
 * Runs a shell script as root in a container of that image. It has no network but its own loopback, because services that
 * the script starts listen. Docker mounts some files of /etc, which a machine has on its disk, so these are replaced.
 * @param directory what is at `/box` there, read-only
 */
export async function inAlpine(directory: string, script: string): Promise<Ended> {
  const prepare = `
for file in hosts hostname resolv.conf; do cp /etc/$file /tmp/own; umount /etc/$file; cp /tmp/own /etc/$file; done
cat >/tmp/serve <<'END'
${SERVE}END
chmod 755 /tmp/serve
nc -lk -p 8080 -e /tmp/serve &
until wget -q -O /dev/null ${INSIDE}/v3.19/main/x86_64/APKINDEX.tar.gz; do sleep 0.1; done
`;
  const rights = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"];
  const packages = join(REPOSITORY, "../shared/alpine/repo");
  const mounts = ["--volume", `${directory}:/box:ro`, "--volume", `${packages}:/packages:ro`];
  const line = [
    ...["docker", "run", "--rm", "--network", "none", ...rights, ...mounts],
    ...[ALPINE_IMAGE, "sh", "-ec", `${prepare}${script}`],
  ];
  return await command(line, {});
}
