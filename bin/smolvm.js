#!/usr/bin/env node
// The command of users: the pipeline is TypeScript, and runs as it is.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error: smolvm needs Node 20.19 or newer, and this is ${process.version}: install a newer one\n`,
  );
  process.exit(2);
}
try {
  process.cwd();
} catch {
  process.stderr.write("error: the current directory is not there any more: change to another one\n");
  process.exit(2);
}
try {
  const { register } = await import("tsx/esm/api");
  register();
} catch (error) {
  if (error?.code !== "ERR_MODULE_NOT_FOUND") throw error;
  process.stderr.write(
    "error: the packages that smolvm needs are not installed: run `npm ci` in its directory\n",
  );
  process.exit(2);
}
await import("../pipeline/cli/smolvm/main.ts");
