import type { Rootfs } from "../normalise.ts";
import { apkDatabase } from "../packages.ts";
import { claim, listed, type OwnerOf } from "./owner.ts";

/** The files that apk's database gives to the installed packages. */
export async function apkOwners(rootfs: Rootfs): Promise<OwnerOf> {
  const names = new Map<string, string>();
  let [name, directory] = ["", ""];
  for (const line of (await apkDatabase(rootfs)).split("\n")) {
    const value = line.slice(2);
    if (line.startsWith("P:")) name = value;
    if (line.startsWith("F:")) directory = value;
    if (line.startsWith("R:")) claim(names, directory === "" ? value : `${directory}/${value}`, name);
  }
  return listed("apk", names);
}
