// Authentication calls back to the browser's Origin, which must name the same host as Host does, as Frappe 15 does it: with
// node's http, the login as `?sid=`, and nothing that says which site is meant but the host of that Origin.
const http = require("node:http");
const https = require("node:https");
const cookie = require("cookie");
const { readConfig } = require("./socketio_config");

const config = readConfig();

function hostname(url) {
	return url && url.split("://").pop().split("/")[0].split(":")[0];
}

function siteOf(headers) {
	if (headers["x-frappe-site-name"]) return hostname(headers["x-frappe-site-name"]);
	if (config.default_site && ["localhost", "127.0.0.1"].includes(hostname(headers.host))) return config.default_site;
	return hostname(headers.origin || headers.host);
}

function ask(address, headers) {
	return new Promise((resolve, reject) => {
		const url = new URL(address);
		const { request } = url.protocol === "https:" ? https : http;
		const options = { method: "GET", host: url.hostname, port: url.port, path: url.pathname + url.search, headers };
		const asked = request(options, (answer) => {
			let text = "";
			answer.on("data", (chunk) => (text += chunk)).on("error", reject);
			answer.on("end", () => (answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(`status ${answer.statusCode}`)));
		});
		asked.on("error", reject).end();
	});
}

function authenticate(socket, next) {
	const headers = socket.request.headers;
	if (socket.nsp.name.slice(1) !== siteOf(headers)) return next(new Error("Invalid namespace"));
	if (hostname(headers.host) !== hostname(headers.origin)) return next(new Error("Invalid origin"));
	if (!headers.cookie) return next(new Error("No cookie transmitted."));
	const { sid } = cookie.parse(headers.cookie);
	if (!sid && !headers.authorization) return next(new Error("No authentication method used."));
	const url = `${headers.origin}/api/method/frappe.realtime.get_user_info`;
	const asked = sid ? ask(`${url}?sid=${encodeURIComponent(sid)}`, {}) : ask(url, { authorization: headers.authorization });
	asked
		.then(({ message }) => {
			socket.user = message.user;
			socket.user_type = message.user_type;
			next();
		})
		.catch((error) => next(new Error(`Unauthorized: ${error}`)));
}

module.exports = { authenticate };
