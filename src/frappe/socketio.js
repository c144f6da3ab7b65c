// Runs Frappe's own socketio.js, whose path is the argument, and names its Redis connections: the name distinguishes
// this process from other pods' among the subscribers of `events`. Read from standard input by node, in sites/, after
// socketio_web.js and socketio_direct.js.
const fs = require("fs");
const { createRequire } = require("module");

// Frappe takes all text behind `unix://` as the socket's path, with the login and %-codes that Python reads there.
function withoutParameters(options) {
	const [path, query] = options?.socket?.path?.split("?") ?? [];
	if (path === undefined) return options;
	const decode = (text) => {
		try {
			return decodeURIComponent(text);
		} catch {
			return text;
		}
	};
	const given = new URLSearchParams(query);
	const login = ["username", "password"].filter((name) => given.get(name)).map((name) => [name, decode(given.get(name))]);
	return { ...options, ...Object.fromEntries(login), socket: { ...options.socket, path: decode(path) } };
}

const script = process.argv[2];
const name = `${process.env.CAULDRON_CLIENT_NAME}-${process.pid}`;
try {
	const redis = createRequire(script)("@redis/client");
	const create = redis.createClient;
	redis.createClient = (options, ...rest) => {
		const client = create(withoutParameters(options), ...rest);
		const connect = client.connect;
		client.connect = async (...given) => {
			const connected = await connect.apply(client, given);
			// A subscribed connection cannot set its name. If the login lacks the right, the supervisor knows it.
			await client.sendCommand(["CLIENT", "SETNAME", name]).catch(() => {});
			return connected;
		};
		return client;
	};
} catch (error) {
	console.error(`cannot name the Redis connections with this Frappe: ${error.message}`);
	fs.writeFileSync(process.env.CAULDRON_UNNAMED_FILE, "");
}
require(script);
