"""Gives PyPI's gunicorn the trap of the gunicorn that Frappe 14 and 15 pin.

docs/frappe-contract.md#slow-stop-of-gunicorn: SIGTERM takes the whole graceful timeout, even idle, with gthread: the worker sleeps in `select` for
half of --timeout where PyPI's gunicorn sleeps one second, and a signal does not end a select in Python. One connection
to the port wakes it.

A .pth line imports this module in every process of the env, so it only waits for gunicorn to be imported; a process
that never does pays nothing (importlib.abc would cost it 10 ms).
"""

import sys

GTHREAD = "gunicorn.workers.gthread"


class SleepingPoller:
    """The worker's poller, deaf to the one second that the worker asks for."""

    def __init__(self, poller, worker):
        self._poller = poller
        self._worker = worker

    def select(self, timeout=None):
        timeout = self._worker.timeout or timeout
        if self._worker._keep:
            timeout = min(timeout, self._worker.cfg.keepalive)
        return self._poller.select(timeout)

    def __getattr__(self, name):
        return getattr(self._poller, name)


def bring_trap(gthread):
    original = gthread.ThreadWorker.run

    def run(self):
        self.poller = SleepingPoller(self.poller, self)
        return original(self)

    gthread.ThreadWorker.run = run


class TrapLoader:
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        bring_trap(module)


class TrapFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != GTHREAD:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = TrapLoader(spec.loader)
        return spec


sys.meta_path.insert(0, TrapFinder)
