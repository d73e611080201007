import Docker from "dockerode";
import { runTool, type ToolResult } from "../../pipeline/image/docker/tool.ts";
import { silentRun } from "./silent.ts";

/** Runs a shell command in the tool container, with a directory of the host as `/work`. */
export function runInTools(image: string, work: string, script: string): Promise<ToolResult> {
  return runTool(new Docker(), { image, work, command: ["sh", "-c", script] }, silentRun());
}
