// Opens a page in a headless Chromium, and prints each of the expected texts once the page shows it.
//   node -e "$(cat browser.js)" -- CHROMIUM URL SCREENSHOT TEXT…
// Speaks the Chrome DevTools protocol over the `ws` that socket.io brings. Ends when every text was shown.
const { spawn } = require("node:child_process");
const { mkdtempSync, rmSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const WebSocket = require("ws");

const [chromium, url, screenshot, ...texts] = process.argv.slice(1);
const profile = mkdtempSync(join(require("node:os").tmpdir(), "browser-"));
const browser = spawn(
	chromium,
	["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=900,600",
		"--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
	{ stdio: ["ignore", "ignore", "pipe"] },
);

let stderr = "";
const endpoint = new Promise((resolve, reject) => {
	browser.stderr.on("data", (data) => {
		stderr += data;
		const found = /DevTools listening on (ws:\S+)/.exec(stderr);
		if (found) resolve(found[1]);
	});
	browser.on("exit", (code) => reject(new Error(`${chromium} ended with ${code}: ${stderr}`)));
});

async function main() {
	const page = await attach(new WebSocket(await endpoint));
	await page("Page.enable");
	await page("Page.navigate", { url });
	for (const text of texts) {
		// A navigation discards the pending promise: evaluate again on the next page.
		for (;;) {
			const shown = await page("Runtime.evaluate", { expression: until(text), awaitPromise: true });
			if (shown.result?.result?.value === true) break;
		}
		const { result } = await page("Page.captureScreenshot");
		writeFileSync(screenshot.replace("%", String(texts.indexOf(text) + 1)), result.data, "base64");
		console.log(text);
	}
}

const until = (text) => `new Promise((resolve) => {
	const check = () => document.body?.innerText.includes(${JSON.stringify(text)}) && resolve(true);
	new MutationObserver(check).observe(document, { subtree: true, childList: true, characterData: true });
	check();
})`;

async function attach(socket) {
	await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
	const waiting = new Map();
	let last = 0;
	socket.on("message", (data) => {
		const answer = JSON.parse(data);
		waiting.get(answer.id)?.(answer);
	});
	const send = (method, params = {}, sessionId) =>
		new Promise((resolve) => {
			waiting.set(++last, resolve);
			socket.send(JSON.stringify({ id: last, method, params, sessionId }));
		});
	const { result: { targetInfos } } = await send("Target.getTargets");
	const { targetId } = targetInfos.find((target) => target.type === "page");
	const { result: { sessionId } } = await send("Target.attachToTarget", { targetId, flatten: true });
	return (method, params) => send(method, params, sessionId);
}

main().then(() => 0, (error) => (console.error(error.message), 1)).then((code) => {
	browser.removeAllListeners("exit");
	browser.on("exit", () => {
		rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
		process.exit(code);
	});
	browser.kill("SIGKILL");
});
