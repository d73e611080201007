import { expect, it } from "vitest";
import { z } from "zod";
import { ask, askJson, askText } from "../../../pipeline/upstream/ask/http.ts";
import { FileServer, type Trouble } from "../../support/file-server.ts";
import { upstream } from "../../support/upstream/upstream.ts";

async function server(trouble: readonly Trouble[] = [], text = '{ "version": "1" }'): Promise<FileServer> {
  const files = await FileServer.start();
  files.files.set("/x", Buffer.from(text));
  files.troubles.push(...trouble);
  return files;
}
const status = (code: number, retryAfter?: string): Trouble => ({
  ...{ kind: "status", status: code },
  ...(retryAfter === undefined ? {} : { retryAfter }),
});

it("reads what a server has", async () => {
  const { url } = await server();
  expect(await askText(upstream(), `${url}/x`)).toBe('{ "version": "1" }');
  expect(await askJson(upstream(), `${url}/x`, z.object({ version: z.string() }))).toEqual({ version: "1" });
});

it.each<[string, readonly Trouble[]]>([
  ["a limit on requests", [status(429, "1")]],
  ["an error of the server", [status(503), status(500)]],
  ["an answer that breaks off", [{ kind: "cut", after: 5 }]],
  ["an answer that stops coming", [{ kind: "stall", after: 5 }]],
  ["no answer", [{ kind: "silence" }]],
])("asks again after %s", async (_, trouble) => {
  const { url, requests } = await server(trouble);
  expect(await askText(upstream(), `${url}/x`)).toBe('{ "version": "1" }');
  expect(requests).toHaveLength(trouble.length + 1);
});

it.each<[string, readonly Trouble[], string, number]>([
  ["a limit that lasts too long", [status(429, "3600")], "HTTP 429 Too Many Requests", 1],
  ["a limit that stays", [status(429), status(429), status(429)], "HTTP 429 Too Many Requests", 3],
  ["a refusal", [status(403)], "HTTP 403 Forbidden", 1],
  ["nothing of that name", [status(404)], "HTTP 404 Not Found", 1],
  [
    "an answer that always breaks off",
    [5, 5, 5].map((after) => ({ kind: "cut", after })),
    "the answer broke off (other side closed)",
    3,
  ],
  ["nobody who answers", [{ kind: "silence" }, { kind: "silence" }], "no answer (Headers Timeout Error)", 2],
])("does not know after %s", async (_, trouble, reason, asked) => {
  const { url, requests } = await server(trouble);
  await expect(ask(upstream(), `${url}/x`)).rejects.toMatchObject({
    ...{ name: "Unknown", code: "upstream-unknown" },
    message: `${url}/x: ${reason}`,
  });
  expect(requests).toHaveLength(asked);
});

it.each(["<!DOCTYPE html><title>Sign in</title>", "\n<html>", "  <HTML lang=en>"])(
  "does not take %j for an answer",
  async (page) => {
    const { url } = await server([], page);
    await expect(askText(upstream(), `${url}/x`)).rejects.toThrow(`${url}/x: the answer is a page of HTML`);
  },
);

it("names what is wrong with an answer in another form", async () => {
  const { url } = await server([], '{ "version": 1 }');
  await expect(askJson(upstream(), `${url}/x`, z.object({ version: z.string() }))).rejects.toThrow(
    `${url}/x: the answer cannot be used (version: expected string, received number)`,
  );
  const broken = await server([], '{ "version"');
  await expect(askJson(upstream(), `${broken.url}/x`, z.object({}))).rejects.toThrow(/it is not JSON/);
});

it("gives up when the whole time for a question is over", async () => {
  const files = await server([], "x".repeat(1 << 20));
  files.slowMs = 50;
  await expect(ask(upstream({ patience: { totalMs: 200 } }), `${files.url}/x`)).rejects.toThrow(
    `${files.url}/x: no whole answer within 0.2 s`,
  );
});

it("ends when it is interrupted", async () => {
  const files = await server([{ kind: "silence" }]);
  const asked = upstream();
  const answer = ask(asked, `${files.url}/x`);
  (asked.run as unknown as { interrupt(reason: Error): void }).interrupt(new Error("stop"));
  await expect(answer).rejects.toThrow("stop");
});
