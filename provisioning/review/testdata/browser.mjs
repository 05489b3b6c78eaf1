// Walks through the review pages in a real Chromium: approves a held class from
// start to finish with the keyboard, looks at every page in light, dark and
// narrow, and prints as JSON what went wrong.
//
// node browser.mjs CHROMIUM PACKAGES BASE-URL SCREENSHOTS
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [chromium, packages, base, shots] = process.argv.slice(2);
const require = createRequire(join(packages, "node_modules", "x.js"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const problems = [];
const did = [];
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
	const page = await browser.newPage();
	await page.setExtraHTTPHeaders({ User: "olga" });
	let expected = 0; // the status of an answer that is meant to be an error
	page.on("console", (m) => {
		if (["error", "warn"].includes(m.type()) && !(expected && m.text().includes(`status of ${expected}`))) problems.push(`console: ${m.text()} at ${page.url()}`);
	});
	page.on("pageerror", (e) => problems.push(`page error: ${e.message}`));
	page.on("requestfailed", (r) => { if (r.failure()?.errorText !== "net::ERR_ABORTED") problems.push(`request failed: ${r.url()} ${r.failure()?.errorText}`); });

	const look = async (name) => {
		for (const [mode, width] of [["light", 1280], ["dark", 1280], ["light", 375]]) {
			await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: mode }]);
			await page.setViewport({ width, height: 900 });
			await page.screenshot({ path: join(shots, `${name}-${mode}-${width}.png`), fullPage: true });
			await page.evaluate(axe);
			const found = await page.evaluate(() => window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
			for (const v of found.violations) problems.push(`axe: ${name} ${mode} ${width}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).slice(0, 3).join(" | ").slice(0, 500)}`);
			const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1);
			if (wide) problems.push(`${name} ${mode} ${width}: the page scrolls sideways`);
		}
		await page.setViewport({ width: 1280, height: 900 });
		did.push(name);
	};
	const words = () => page.evaluate(() => document.body.innerText);
	const want = async (text) => { if (!(await words()).includes(text)) problems.push(`${page.url()} does not say: ${text}\n${(await words()).slice(0, 600)}`); };
	const open = (path) => page.goto(new URL(path, base).href);
	// enter goes with the tab key to what has the text, and presses the key enter.
	const enter = async (text) => {
		for (let i = 0; i < 200; i++) {
			await page.keyboard.press("Tab");
			const at = await page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
			if (at.startsWith(text)) {
				const outlined = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none");
				if (!outlined) problems.push(`the focus is not seen on ${text}`);
				await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
				return;
			}
		}
		problems.push(`the keyboard does not come to ${text} on ${page.url()}`);
	};

	await open("");
	await page.keyboard.press("Tab");
	if ((await page.evaluate(() => document.activeElement?.textContent)) !== "Skip to the content") problems.push("the first stop is not the link to the content");
	await look("connections");
	await open("");
	await enter("Plan now");
	await want("Waits: people would lose access");
	await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
	await look("plan");
	await page.reload();
	await enter("Review and approve: deactivate");
	await look("approve");
	await page.type("#number", "3");
	await page.type("#reason", "They left the company.");
	expected = 422;
	await enter("Approve and apply");
	await want("Type the number of people who would lose access");
	await look("approve-refused");
	expected = 0;
	await page.type("#number", "4");
	await enter("Approve and apply");
	await want("Done.");
	await look("outcome");
	await open("");
	await want("They left the company.");
	await look("connections-after");

	for (const path of JSON.parse(process.env.PAGES)) {
		await open(path);
		await look(path.split("?")[0] + (path.includes("group=") ? "-group" : ""));
	}
	// On paper there is what can be read, and nothing to press.
	await open(JSON.parse(process.env.PAGES)[0]);
	await page.emulateMediaType("print");
	const pressed = await page.evaluate(() => [...document.querySelectorAll("button, nav a")].filter((e) => e.checkVisibility()).length);
	if (pressed) problems.push(`${pressed} buttons and links of the navigation are printed`);
	await page.screenshot({ path: join(shots, "person-print.png"), fullPage: true });
	await page.emulateMediaType(null);
	// Nothing moves for whoever wants no motion.
	await page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]);
	const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => getComputedStyle(e).transitionDuration !== "0s" || getComputedStyle(e, "::before").transitionDuration !== "0s").length);
	if (moving) problems.push(`${moving} elements move`);

	await open("whatif");
	await page.$eval("#next_text", (e, text) => { e.value = text; }, process.env.NEXT);
	await enter("Compare");
	await want("would be decided differently");
	await look("whatif-answer");

	expected = 404;
	await open("plan?hash=nothing");
	await look("not-found");
	expected = 0;

	await page.goto("file://" + process.env.EXPORT);
	const color = await page.evaluate(() => getComputedStyle(document.querySelector(".soft")).color);
	if (color === "rgb(0, 0, 0)") problems.push("the exported file has no style: its policy does not allow it");
	await look("export");
} catch (e) {
	problems.push(`${e.stack}`);
} finally {
	await browser.close();
}
console.log(JSON.stringify({ problems, did }));
