// Authentication calls back to the browser's Origin, which must name the same host as Host does, as Frappe 15 does it: with
// superagent, the login as `?sid=`, and nothing that says which site is meant but the host of that Origin. A sid that
// nobody has is Guest's.
const cookie = require("cookie");
const superagent = require("superagent");
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

// Trap: superagent follows redirects.
async function ask(url, sid, authorization) {
	const asked = superagent.get(url).type("form");
	const { body } = await (sid ? asked.query({ sid }) : asked.set("Authorization", authorization));
	return body.message;
}

function authenticate(socket, next) {
	const headers = socket.request.headers;
	if (socket.nsp.name.slice(1) !== siteOf(headers)) return next(new Error("Invalid namespace"));
	if (hostname(headers.host) !== hostname(headers.origin)) return next(new Error("Invalid origin"));
	if (!headers.cookie) return next(new Error("No cookie transmitted."));
	const { sid } = cookie.parse(headers.cookie);
	if (!sid && !headers.authorization) return next(new Error("No authentication method used."));
	ask(`${headers.origin}/api/method/frappe.realtime.get_user_info`, sid, headers.authorization)
		.then(({ user, user_type }) => {
			socket.user = user;
			socket.user_type = user_type;
			next();
		})
		.catch((error) => next(new Error(`Unauthorized: ${error}`)));
}

module.exports = { authenticate };
