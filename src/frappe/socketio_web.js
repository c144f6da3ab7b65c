// Sends the requests of Frappe's socket.io server to Frappe straight to the web role. Frappe sends them to the Origin
// of the page: a published port, or a name that only clients can resolve, is unreachable from inside a container.
// The Host header stays the page's, by which the web role finds the site. Prepended to socketio.js.
const http = require("http");
const https = require("https");
const net = require("net");
const { urlToHttpOptions } = require("url");

// frappe.realtime.get_user_info, and the methods that an app's own handlers call.
const CALLS = "/api/method/";
const LOG_INTERVAL_MS = 60_000;

// Parses the arguments of http.request in all their forms.
function readArguments([first, ...rest]) {
	const callback = rest.find((argument) => typeof argument === "function");
	const isUrl = typeof first === "string" || first instanceof URL;
	const options = typeof rest[0] === "object" ? rest[0] : {};
	return [isUrl ? { ...urlToHttpOptions(new URL(first)), ...options } : { ...first }, callback];
}

// The Host header for the page's address.
function hostOf({ headers, hostname, host, port }, defaultPort) {
	if (headers?.host) return headers.host;
	const name = (hostname || host || "localhost").replace(/^\[|\]$/g, "");
	const bracketed = net.isIPv6(name) ? `[${name}]` : name;
	return port && Number(port) !== defaultPort ? `${bracketed}:${port}` : bracketed;
}

function sendCallsTo(web, ca) {
	const secure = web.protocol === "https:";
	const send = (secure ? https : http).request;
	const name = web.hostname.replace(/^\[|\]$/g, "");
	// Inside the container no other program listens there.
	const isOwn = ["127.0.0.1", "::1", "localhost"].includes(name);
	const target = { protocol: web.protocol, host: name, hostname: name, port: web.port || (secure ? 443 : 80), agent: false };
	if (secure) Object.assign(target, { rejectUnauthorized: !isOwn, ca });
	let loggedAt = -Infinity;
	const log = (error) => {
		if (performance.now() - loggedAt < LOG_INTERVAL_MS) return;
		loggedAt = performance.now();
		console.error(`live events fail: cannot get the user of a page from ${web.origin}: ${error.message || error.code}`);
	};
	const route = (given, defaultPort) => {
		const host = hostOf(given, defaultPort);
		const page = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
		// The web role's certificate is for the page's name.
		const servername = secure && !net.isIP(page) ? { servername: page } : {};
		return { ...given, ...target, ...servername, headers: { ...given.headers, host } };
	};
	for (const [module, defaultPort] of [[http, 80], [https, 443]]) {
		const request = module.request;
		module.request = (...given) => {
			const [options, callback] = readArguments(given);
			if (!options.path?.startsWith(CALLS)) return request(...given);
			return send(route(options, defaultPort), callback).on("error", log);
		};
		module.get = (...given) => module.request(...given).end();
	}
	if (globalThis.fetch) replaceFetch();
}

// The parsed URL; null for a Request object, and for input that fetch itself has to reject.
function parsed(input) {
	try {
		return typeof input === "string" || input instanceof URL ? new URL(input) : null;
	} catch {
		return null;
	}
}

// Node's fetch accepts neither a CA nor an address other than the URL's.
function replaceFetch() {
	const fetch = globalThis.fetch;
	globalThis.fetch = (input, init = {}) => {
		const url = parsed(input);
		if (!url?.pathname.startsWith(CALLS)) return fetch(input, init);
		const headers = Object.fromEntries(new Headers(init.headers));
		return new Promise((resolve, reject) => {
			const module = url.protocol === "https:" ? https : http;
			const request = module.request(url, { method: init.method || "GET", headers }, (answer) => {
				const chunks = [];
				answer.on("data", (chunk) => chunks.push(chunk)).on("error", reject);
				answer.on("end", () => {
					const headers = Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
					const body = [204, 205, 304].includes(answer.statusCode) ? null : Buffer.concat(chunks);
					resolve(new Response(body, { status: answer.statusCode, headers }));
				});
			});
			request.on("error", reject).end(init.body);
		});
	};
}

if (process.env.CAULDRON_WEB_URL) {
	const { readFileSync } = require("fs");
	const { rootCertificates } = require("tls");
	const file = process.env.CAULDRON_WEB_CA;
	sendCallsTo(new URL(process.env.CAULDRON_WEB_URL), file ? [...rootCertificates, readFileSync(file)] : undefined);
}
