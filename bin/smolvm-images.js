#!/usr/bin/env node
import { run } from "./run.js";

await run("smolvm-images", "cli/pipeline/main");
