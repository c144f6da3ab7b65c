"""Deterministic kills: a named step at which a test can stop this process, and a pace to slow it.

With SAMPLE_BENCH_BARRIER=<step>[,<step>…] and SAMPLE_BENCH_BARRIER_SOCKET=<path>, reaching that step connects to the
socket, writes the step's name and a newline, and waits for one byte or the end of the connection. SAMPLE_BENCH_PACE_MS
is slept after each table. Neither is Frappe's.
"""

import os
import socket
import time


def reach(step):
    if step not in os.environ.get("SAMPLE_BENCH_BARRIER", "").split(","):
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["SAMPLE_BENCH_BARRIER_SOCKET"])
        connection.sendall(f"{step} {os.getpid()}\n".encode())
        connection.recv(1)


def pace():
    if pace_ms := os.environ.get("SAMPLE_BENCH_PACE_MS"):
        time.sleep(int(pace_ms) / 1000)
