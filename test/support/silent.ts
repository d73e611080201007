export { unwatched as silentRun } from "../../pipeline/util/progress.ts";
