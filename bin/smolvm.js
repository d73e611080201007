#!/usr/bin/env node
// The command of users: the pipeline is TypeScript, and runs as it is.
import { register } from "tsx/esm/api";

register();
await import("../pipeline/cli/smolvm.ts");
