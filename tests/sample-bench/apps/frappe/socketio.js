// The socketio role (docs/frappe-contract.md#socketio-without-redis): real socket.io, fed from `events` on redis_queue.
// No Redis at start, or Redis lost later: it exits 1, because nothing listens for the client's "error".
const http = require("node:http");
const redis = require("@redis/client");
const { Server } = require("socket.io");
const { authenticate } = require("./socketio_authenticate");
const { readConfig } = require("./socketio_config");

const config = readConfig();
const server = http.createServer();
const io = new Server(server, { cors: { origin: true, credentials: true }, cleanupEmptyChildNamespaces: true });
const sites = io.of(/^\/.*$/);
sites.use(authenticate);
sites.on("connection", (socket) => {
	socket.join(`user:${socket.user}`);
	socket.join("website");
	if (socket.user_type === "System User") socket.join("all");
	socket.on("ping", () => socket.emit("pong"));
});

const url = config.redis_queue;
// Trap: the query stays in the path, as in Frappe's node_utils.js.
const options = url.startsWith("unix://") ? { socket: { path: url.replace("unix://", "") } } : { url };
const subscriber = redis.createClient(options);
(async () => {
	await subscriber.connect();
	await subscriber.subscribe("events", (text) => {
		const { namespace, room, event, message } = JSON.parse(text);
		(room ? io.of(`/${namespace}`).to(room) : sites).emit(event, message);
	});
})();

const address = config.socketio_uds || config.socketio_port;
server.listen(address, () => console.log("Realtime service listening on:", address));
