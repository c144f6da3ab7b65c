// `node esbuild --production --apps NAME`: Frappe's contract (FRAPPE_BENCH_ROOT, sites/apps.txt, hashed files in
// sites/assets/NAME/dist, their names in assets.json), with copies in place of bundling.
const fs = require("fs");
const path = require("path");
const crypto = require("crypto");

const bench = process.env.FRAPPE_BENCH_ROOT || path.resolve(__dirname, "../../..");
const assets = path.join(bench, "sites/assets");
const listed = fs.readFileSync(path.join(bench, "sites/apps.txt"), "utf8").split("\n").filter(Boolean);
const at = process.argv.indexOf("--apps");
const apps = at < 0 ? listed : process.argv[at + 1].split(",");
const map = {};

function build(app, folder) {
	for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
		const file = path.join(folder, entry.name);
		if (entry.isDirectory()) {
			if (!["dist", "node_modules"].includes(entry.name)) build(app, file);
		} else if (/\.bundle\.(js|css)$/.test(entry.name)) {
			const text = fs.readFileSync(file, "utf8");
			if (text.includes("SYNTAX ERROR")) throw new Error(`${entry.name}: syntax error`);
			const hash = crypto.createHash("md5").update(text).digest("hex").slice(0, 8).toUpperCase();
			const extension = path.extname(entry.name);
			const name = `${path.basename(entry.name, extension)}.${hash}${extension}`;
			const target = path.join(assets, app, "dist", extension.slice(1), name);
			fs.mkdirSync(path.dirname(target), { recursive: true });
			fs.writeFileSync(target, text);
			map[entry.name] = "/" + path.relative(path.join(bench, "sites"), target);
		}
	}
}

for (const app of apps) {
	const folder = path.join(bench, "apps", app, app, "public");
	if (fs.existsSync(folder)) build(app, folder);
}
fs.writeFileSync(path.join(assets, "assets.json"), JSON.stringify(map, null, 4));
fs.writeFileSync(path.join(assets, "assets-rtl.json"), "{}");
