// Runs Frappe's own socketio.js, whose path is the argument, and gives its Redis connections a name: of all that listen to
// `events` there, this process is told from other pods' by it. Read from standard input by node, in sites/,
// after socketio_web.js.
const fs = require("fs");
const { createRequire } = require("module");

const script = process.argv[2];
const name = `${process.env.CAULDRON_CLIENT_NAME}-${process.pid}`;
try {
	const redis = createRequire(script)("@redis/client");
	const create = redis.createClient;
	redis.createClient = (...options) => {
		const client = create(...options);
		const connect = client.connect;
		client.connect = async (...given) => {
			const connected = await connect.apply(client, given);
			// Before it subscribes, and can say no more. Where the login may not, the supervisor knows.
			await client.sendCommand(["CLIENT", "SETNAME", name]).catch(() => {});
			return connected;
		};
		return client;
	};
} catch (error) {
	console.error(`its subscription has no name with this Frappe: ${error.message}`);
	fs.writeFileSync(process.env.CAULDRON_UNNAMED_FILE, "");
}
require(script);
