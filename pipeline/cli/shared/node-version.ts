/**
 * Imported first, for what it does: where Node.js is older than package.json asks for, a library that is loaded
 * later would end in a stack trace.
 */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error: this needs Node.js 20.19 or newer, and finds ${process.version}: install a newer one, or put the one ` +
      "on PATH that `npm run quickstart` has fetched: export PATH=$PWD/out/cache/node/node_modules/.bin:$PATH\n",
  );
  process.exit(2);
}
