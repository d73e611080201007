import { createReadStream, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";

/** Serves the files of a directory on loopback; `prefix` of a request's path is taken off. */
export async function serveDirectory(
  directory: string,
  prefix: RegExp,
): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = join(directory, normalize(decodeURI(request.url ?? "/").replace(prefix, "/")));
    const size = path.startsWith(directory) ? statSync(path, { throwIfNoEntry: false })?.size : undefined;
    if (size === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": size });
    createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
