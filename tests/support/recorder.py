"""A WSGI application that records every request that it receives, one JSON object a line, and answers as the query says.

`status=404` (or 301), `type=text/html`, `length=N` (bytes of the answer), `header=Name:value` (repeatable) and `stream=1` (an
answer without a length). The record is written before the answer.
"""

import base64
import json
import os
from urllib.parse import parse_qsl

RECORD = "@RECORD@"
REASONS = {101: "Switching Protocols", 200: "OK", 301: "Moved Permanently", 404: "Not Found"}


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    write(environ, body)
    query = parse_qsl(environ.get("QUERY_STRING", ""))
    asked = dict(query)
    status = next((code for code in REASONS if str(code) == asked.get("status")), 200)
    headers = [tuple(value.split(":", 1)) for name, value in query if name == "header" and ":" in value]
    headers.append(("Content-Type", asked.get("type", "application/json")))
    answer = b'{"message":"pong"}'
    if asked.get("length", "").isdigit():
        length = min(int(asked["length"]), 64 << 20)
        answer = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    if "stream" not in asked:
        headers.append(("Content-Length", str(len(answer))))
    start_response(f"{status} {REASONS[status]}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer]


def write(environ, body):
    headers = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if name in environ:
            headers[name] = environ[name]
    request = {
        "method": environ["REQUEST_METHOD"],
        "target": environ["RAW_URI"],
        "headers": headers,
        "body": base64.b64encode(body).decode(),
    }
    line = json.dumps(request) + "\n"
    file = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
