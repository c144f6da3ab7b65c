// Runs Frappe's own socketio.js, whose path is the argument, and names its Redis connections: the name distinguishes
// this process from other pods' among the subscribers of `events`. Read from standard input by node, in sites/, after
// socketio_web.js.
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
