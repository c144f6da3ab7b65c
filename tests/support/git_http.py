# git http-backend behind Basic authentication: PORT REPOSITORY USER PASSWORD FOLDER.
# Listens to this machine alone, or to BIND.
# FOLDER/fail: that many requests get 503; FOLDER/stall: no answer at all; FOLDER/requests: one line each.
import base64
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, repository, user, password, folder = sys.argv[1:]
expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
lock = threading.Lock()


def take_failure():
    path = os.path.join(folder, "fail")
    with lock:
        left = int(open(path).read()) if os.path.exists(path) else 0
        if left:
            with open(path, "w") as file:
                file.write(str(left - 1))
        return left > 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def answer(self):
        if not self.path.startswith("/x.git"):
            return self.send_error(404)
        with open(os.path.join(folder, "requests"), "a") as file:
            file.write(self.path + "\n")
        if os.path.exists(os.path.join(folder, "stall")):
            threading.Event().wait()
        if take_failure():
            return self.send_error(503)
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            return self.end_headers()
        path, _, query = self.path[len("/x.git"):].partition("?")
        git = repository if os.path.exists(os.path.join(repository, "HEAD")) else os.path.join(repository, ".git")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": git,
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
        }
        output = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE).stdout
        head, _, content = output.partition(b"\r\n\r\n")
        headers = [line.decode().split(": ", 1) for line in head.split(b"\r\n") if line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        self.send_response(status)
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


ThreadingHTTPServer((os.environ.get("BIND", "127.0.0.1"), int(port)), Handler).serve_forever()
