// config.json, then sites/common_site_config.json, then the environment.
const fs = require("node:fs");
const path = require("node:path");

const bench = process.env.FRAPPE_BENCH_ROOT || path.resolve(__dirname, "..", "..");

function readConfig() {
	const config = { socketio_port: 9000 };
	for (const name of ["config.json", "sites/common_site_config.json"]) {
		const file = path.resolve(bench, name);
		if (fs.existsSync(file)) {
			const found = JSON.parse(fs.readFileSync(file));
			Object.assign(config, Object.fromEntries(Object.entries(found).filter(([, value]) => value)));
		}
	}
	const { FRAPPE_SITE, FRAPPE_REDIS_QUEUE, FRAPPE_SOCKETIO_PORT, FRAPPE_SOCKETIO_UDS } = process.env;
	config.default_site = FRAPPE_SITE || config.default_site;
	config.redis_queue = FRAPPE_REDIS_QUEUE || config.redis_queue;
	config.socketio_port = FRAPPE_SOCKETIO_PORT || config.socketio_port;
	config.socketio_uds = FRAPPE_SOCKETIO_UDS || config.socketio_uds;
	return config;
}

module.exports = { readConfig };
