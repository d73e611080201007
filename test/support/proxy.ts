import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { onTestFinished } from "vitest";

/**
 * A proxy on loopback that connects to whatever it is asked for; `asked` is what that was.
 * @param to the port on loopback that it connects to instead @default what it is asked for
 */
export async function startProxy(to?: number): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((_, response) => void response.writeHead(405).end());
  server.on("connect", (request, client) => {
    asked.push(request.url ?? "");
    const [host, port] = (request.url ?? "").split(":");
    const target = connect(to ?? Number(port), to === undefined ? host : "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      target.pipe(client).pipe(target);
    });
    target.on("error", () => client.destroy());
    client.on("error", () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
