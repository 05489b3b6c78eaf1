// Takes a picture of a page as an admin sees it.
//
// node picture.mjs CHROMIUM PACKAGES URL FILE PASSWORD
import { createRequire } from "node:module";
import { join } from "node:path";

const [chromium, packages, url, file, password] = process.argv.slice(2);
const puppeteer = createRequire(join(packages, "node_modules", "x.js"))("puppeteer-core");
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
	const page = await browser.newPage();
	await page.authenticate({ username: "admin", password });
	await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
	await page.setViewport({ width: 1200, height: 900 });
	await page.goto(url);
	await page.evaluate(() => { document.querySelector("ul.groups details").open = true; });
	await page.screenshot({ path: file, clip: { x: 0, y: 0, width: 1200, height: 1080 } });
} finally {
	await browser.close();
}
