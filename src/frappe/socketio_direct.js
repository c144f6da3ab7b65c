// Completes requests that reach Frappe's socket.io server without the web port, from an Ingress that routes /socket.io
// here. The server requires an Origin, which browsers do not send with the first poll, and takes the Origin's host for the
// site. The web port sets both headers. After socketio_web.js, whose `http` it uses.
{
	const { existsSync } = require("fs");

	// The bench's site with the name of the host, or else ours. The working directory is sites/.
	const siteOf = (host) => {
		const name = host.split(":")[0].toLowerCase();
		return /^\w[\w-]*(\.[\w-]+)*$/.test(name) && existsSync(`${name}/site_config.json`) ? name : process.env.CAULDRON_SITE;
	};

	const complete = (headers) => {
		if (!headers.host) return;
		const scheme = headers["x-forwarded-proto"]?.split(",")[0].trim() || "http";
		headers.origin ??= `${scheme}://${headers.host}`;
		headers["x-frappe-site-name"] ??= siteOf(headers.host);
	};

	const { emit } = http.Server.prototype;
	http.Server.prototype.emit = function (event, request, ...rest) {
		if (event === "request" || event === "upgrade") complete(request.headers);
		return emit.call(this, event, request, ...rest);
	};
}
