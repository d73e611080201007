// Starts a program: in a checkout from its sources, so that a change is never answered by an old build; in a package
// that was installed, from what was built.
import { existsSync } from "node:fs";

/**
 * @param {string} name what the program is called
 * @param {string} main its main module below pipeline/, without the suffix
 */
export async function run(name, main) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    const fetched = new URL("../out/cache/node/node_modules/.bin", import.meta.url);
    const fix = existsSync(fetched)
      ? `put the one on PATH that was fetched: export PATH=${fetched.pathname}:$PATH`
      : "install a newer one";
    fail(`${name} needs Node.js 20.19 or newer, and this is ${process.version}: ${fix}`);
  }
  try {
    process.cwd();
  } catch {
    fail("the current directory no longer exists: change to another one");
  }
  const source = new URL(`../pipeline/${main}.ts`, import.meta.url);
  try {
    if (!existsSync(source)) {
      await import(new URL(`../dist/${main}.js`, import.meta.url).href);
      return;
    }
    const { register } = await import("tsx/esm/api");
    register();
    await import(source.href);
  } catch (error) {
    if (error?.code !== "ERR_MODULE_NOT_FOUND" || !error.message.includes("package")) throw error;
    fail(
      `the packages that ${name} needs are not installed (${error.message.split("\n")[0]}): run \`npm ci\` in its directory`,
    );
  }
}

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(2);
}
