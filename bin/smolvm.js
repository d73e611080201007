#!/usr/bin/env node
import { run } from "./run.js";

await run("smolvm", "cli/smolvm/main");
