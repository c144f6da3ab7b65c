// A page of the desk in a browser: logs in through the web port, then connects to live events as Frappe's client does.
//   node page.js '{"modules": …, "address": "HOST:PORT", "origin": …, "site": …, "sid" or "user" and "password": …}'
// All its connections go to the address: the name in the origin resolves nowhere. As from a browser, the first poll has
// no Origin. Prints a line for each event.
const http = require("node:http");
const https = require("node:https");
const net = require("node:net");
const tls = require("node:tls");

const given = JSON.parse(process.argv[2]);
const { io } = require(`${given.modules}/socket.io-client`);
const origin = new URL(given.origin);
const secure = origin.protocol === "https:";
const [, host, port] = /^(.*):(\d+)$/.exec(given.address);

const agent = new (secure ? https : http).Agent();
agent.createConnection = () => {
	if (!secure) return net.connect({ host, port });
	return tls.connect({ host, port, servername: origin.hostname, rejectUnauthorized: false });
};

function logIn({ user, password }) {
	const form = new URLSearchParams({ usr: user, pwd: password }).toString();
	const headers = { "content-type": "application/x-www-form-urlencoded", "content-length": form.length, origin: given.origin };
	return new Promise((resolve, reject) => {
		const request = (secure ? https : http).request(new URL("/api/method/login", origin), { method: "POST", headers, agent });
		request.on("error", reject).on("response", (answer) => {
			answer.resume();
			const cookies = (answer.headers["set-cookie"] || []).map((cookie) => cookie.split(";")[0]);
			const sid = cookies.find((cookie) => cookie.startsWith("sid="));
			sid ? resolve(sid) : reject(new Error(`the login answered ${answer.statusCode}`));
		});
		request.end(form);
	});
}

async function main() {
	const cookie = given.sid ? `sid=${given.sid}` : await logIn(given);
	const socket = io(`${given.origin}/${given.site}`, {
		agent, extraHeaders: { cookie }, reconnectionDelay: 50, reconnectionDelayMax: 200,
		transportOptions: { websocket: { origin: given.origin, rejectUnauthorized: false } },
	});
	socket.on("connect", () => console.log("connected"));
	socket.on("connect_error", (error) => console.log("refused", error.message));
	socket.on("told", (message) => console.log("told", message));
	socket.on("progress", ({ percent }) => console.log("progress", percent));
}

main().catch((error) => console.log("failed", error.message));
