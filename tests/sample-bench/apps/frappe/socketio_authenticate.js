// Authentication calls back to the browser's Origin, which must name the same host as Host does.
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

async function authenticate(socket, next) {
	const headers = socket.request.headers;
	if (socket.nsp.name.slice(1) !== siteOf(headers)) return next(new Error("Invalid namespace"));
	if (hostname(headers.host) !== hostname(headers.origin)) return next(new Error("Invalid origin"));
	const { sid } = cookie.parse(headers.cookie || "");
	if (!sid && !headers.authorization) return next(new Error("No authentication method used."));
	try {
		const method = "/api/method/frappe.realtime.get_user_info";
		const login = sid ? { cookie: `sid=${sid}` } : { authorization: headers.authorization };
		const answer = await fetch(headers.origin + method, {
			headers: { ...login, "x-frappe-site-name": socket.nsp.name.slice(1) },
		});
		if (!answer.ok) throw new Error(`status ${answer.status}`);
		socket.user = (await answer.json()).message.user;
		next();
	} catch (error) {
		next(new Error(`Unauthorized: ${error.message}`));
	}
}

module.exports = { authenticate };
