// A Firecracker of the tests' own: keeps what its API is told in the file FAKE_FIRECRACKER_LOG, prints FAKE_FIRECRACKER_SAYS as
// the guest's console when it is told to start the machine, and ends.
import { appendFileSync, statSync } from "node:fs";
import { createServer } from "node:http";

const socket = process.argv[process.argv.indexOf("--api-sock") + 1];
const { FAKE_FIRECRACKER_LOG: log, FAKE_FIRECRACKER_SAYS: says = "" } = process.env;

createServer((request, response) => {
  let text = "";
  request.on("data", (chunk) => {
    text += chunk;
  });
  request.on("end", () => {
    const body = JSON.parse(text);
    // The disk is gone when the test looks.
    const more = body.path_on_host ? { size: statSync(body.path_on_host).size } : {};
    appendFileSync(log, `${JSON.stringify([request.url, { ...body, ...more }])}\n`);
    response.writeHead(204).end();
    if (body.action_type !== "InstanceStart") return;
    response.once("close", () => process.stdout.write(says, () => process.exit(0)));
  });
}).listen(socket);
