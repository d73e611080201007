import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { page as pageOf } from "../../pipeline/release/report/page.ts";
import { REPOSITORY } from "../support/project.ts";
import { sampleReport } from "../support/report.ts";

const report = sampleReport();
const directory = mkdtempSync(join(tmpdir(), "smolvm-report-"));
const file = join(directory, "report.html");
/** Where the screenshots stay, to be looked at. */
const SCREENSHOTS = join(REPOSITORY, "out/screenshots");

let browser: Browser;
beforeAll(async () => {
  writeFileSync(file, pageOf(report));
  mkdirSync(SCREENSHOTS, { recursive: true });
  // Debian's Chromium, or Chrome. Its sandbox does not work for root in a container.
  const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path))!;
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true });
});

/** Opens the report from the disk, does `work`, and expects that it asked for nothing else and had no error. */
async function opened(
  work: (page: Page) => Promise<void>,
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<void> {
  const page = await browser.newPage(options);
  const requests: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => void (message.type() === "error" && errors.push(message.text())));
  page.on("pageerror", (error) => errors.push(error.message));
  try {
    await page.goto(pathToFileURL(file).href);
    await work(page);
    expect({ requests, errors }).toEqual({ requests: [pathToFileURL(file).href], errors: [] });
  } finally {
    await page.close();
  }
}

const names = (page: Page) => page.locator("tr.asset:visible .open").allTextContents();
const heading = (page: Page, name: string) => page.getByRole("columnheader", { name });

describe("the report of a release", () => {
  it("lists every file, with its numbers", async () => {
    await opened(async (page) => {
      expect(await names(page)).toEqual(report.assets.map(({ name }) => name));
      const row = page.locator("tr.asset", { hasText: "codex-amd64-ubuntu" });
      expect(await row.locator("td").allInnerTexts()).toEqual([
        ...["codex-amd64-ubuntu-rootfs.ext4.zst", "ubuntu", "amd64", "204 MB", "612 MB", "4.1 s (kvm)", "2"],
        ...["qemu-pci, qemu-mmio", "for this release", "444444444444 copy"],
      ]);
      expect(await page.locator("figure svg").count()).toBe(6);
    });
  });

  it("sorts by a number, both ways, and keeps the details below their row", async () => {
    await opened(async (page) => {
      const sizes = report.assets.map(({ name, size }) => ({ name, size }));
      const sorted = sizes.toSorted((a, b) => a.size - b.size).map(({ name }) => name);
      await heading(page, "Download").getByRole("button").click();
      expect(await names(page)).toEqual(sorted);
      expect(await heading(page, "Download").getAttribute("aria-sort")).toBe("ascending");
      await heading(page, "Download").getByRole("button").click();
      expect((await names(page))[0]).toBe(
        sizes.toSorted((a, b) => b.size - a.size).map(({ name }) => name)[0],
      );
      await page.getByRole("button", { name: "pi-arm64-alpine" }).first().click();
      const shown = page.locator("tr.details:visible");
      expect(await shown.count()).toBe(1);
      expect(await shown.innerText()).toContain("@openai/pi");
    });
  });

  it("filters by name, flavor and arch, and says how many are left", async () => {
    await opened(async (page) => {
      await page.getByLabel("Name has").fill("CODEX rootfs");
      await page.getByLabel("Flavor").selectOption("alpine");
      await page.getByLabel("Arch").selectOption("arm64");
      expect(await names(page)).toEqual(["codex-arm64-alpine-rootfs.ext4.zst"]);
      expect(await page.locator("#count").innerText()).toBe(`1 of ${report.assets.length} files`);
    });
  });

  it("is used with the keyboard alone", async () => {
    await opened(async (page) => {
      const button = page.locator("tr.asset .open").first();
      const focused = page.locator("tr.asset .open:focus");
      for (let tabs = 0; tabs < 40 && (await focused.count()) === 0; tabs++) await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      expect(await button.getAttribute("aria-expanded")).toBe("true");
      const details = page.locator("tr.details").first();
      expect(await details.locator("caption").allInnerTexts()).toEqual([
        ...["Packages (2)", "Licences (3)", "Largest files (2)"],
      ]);
      expect(await details.innerText()).toContain("/usr/bin/large\t200.0");
      await page.keyboard.press("Space");
      expect(await details.isVisible()).toBe(false);
    });
  });

  it("copies a sha256", async () => {
    const options = { permissions: ["clipboard-read", "clipboard-write"] };
    await opened(async (page) => {
      await page.getByRole("button", { name: "Copy the sha256 of vmlinux-amd64.elf" }).click();
      await page.getByText("copied the sha256 of vmlinux-amd64.elf").waitFor();
      expect(await page.evaluate("navigator.clipboard.readText()")).toBe("e".repeat(64));
    }, options);
  });

  it.each(["light", "dark"] as const)(
    "has no accessibility problem that axe finds: %s",
    async (colorScheme) => {
      await opened(
        async (page) => {
          await page.locator("tr.asset .open").first().click();
          await page.evaluate(axe.source);
          const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
          expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
        },
        // axe itself would not run under the page's policy.
        { colorScheme, bypassCSP: true },
      );
    },
  );

  it.each([390, 1280])("fits a screen of %i pixels", async (width) => {
    await opened(
      async (page) => {
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
        await page.screenshot({ path: join(SCREENSHOTS, `report-${width}.png`), fullPage: true });
      },
      { viewport: { width, height: 900 } },
    );
  });

  it("runs nothing that a release brings along", async () => {
    const bad = `<img src=x onerror="document.title='run'"><script>document.title='run'</script></script>`;
    const asset = report.assets[0]!;
    const inventory = { ...asset.inventory!, packages: [{ ...asset.inventory!.packages[0]!, name: bad }] };
    const other = join(directory, "bad.html");
    writeFileSync(
      other,
      pageOf({
        ...report,
        assets: [{ ...asset, inventory }],
        refused: [{ preset: bad, flavor: bad, reason: bad }],
      }),
    );
    const page = await browser.newPage();
    await page.goto(pathToFileURL(other).href);
    await page.locator("tr.asset .open").click();
    expect(await page.locator("tr.details").innerText()).toContain(bad);
    expect(await page.title()).toBe("images-v0.0.3: images of example/images");
    await page.close();
  });

  it("is the same for the same release", () => {
    const hash = (text: string) => createHash("sha256").update(text).digest("hex");
    expect(hash(pageOf(sampleReport()))).toBe(hash(pageOf(sampleReport())));
  });
});
