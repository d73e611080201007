export { unwatched as silentRun } from "../../pipeline/schema/progress.ts";
