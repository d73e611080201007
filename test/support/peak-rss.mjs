// Preloaded into a process to learn how much memory it needed: writes its peak RSS, kB, when it ends.
import { writeFileSync } from "node:fs";

process.on("exit", () => {
  const { PEAK_RSS_FILE } = process.env;
  if (PEAK_RSS_FILE) writeFileSync(PEAK_RSS_FILE, String(process.resourceUsage().maxRSS));
});
