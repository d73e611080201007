import ssh2 from "ssh2";
import { expect, it } from "vitest";
import { generateKey } from "../../../pipeline/vm/ssh.ts";

it("every key that is made can be read again, and is the other half of its pair", () => {
  // As many as make it all but certain that a malformed one is among them where they are not looked for.
  const unreadable = Array.from({ length: 2000 }, generateKey).filter(({ privateKey, publicKey }) => {
    const key = ssh2.utils.parseKey(privateKey);
    return key instanceof Error || !publicKey.includes(key.getPublicSSH().toString("base64"));
  });
  expect(unreadable).toEqual([]);
});
