"""Local worker processes of Beam's, forked from one that has imported all they need.

Importing Beam and what a job computes with takes seconds. That process is started first of all,
imports while its driver does the same, and spares each worker that work. Workers are quiet, which
Beam's own are not, and end with the driver: after its SIGKILL they would go on with the shards
they were given, beside the workers of the next run.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping

_PIPE = 0  # the standard input: the driver holds its other end
_LOOK_MS = 100


class Nursery:
    """The process that workers come from; it imports ``modules`` beforehand."""

    def __init__(self, *modules: str) -> None:
        line = [sys.executable, "-m", "pipeline.worker", *modules]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE)

    def fork(self, variables: Mapping[str, str]) -> None:
        """Start a worker in this process's environment and ``variables``, by which Beam calls."""
        pipe = self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # `wait` tells
            if pipe is not None:
                pipe.write(json.dumps({**os.environ, **variables}).encode() + b"\n")
                pipe.flush()

    def wait(self) -> int:
        """Return the exit code once a worker has failed, or all has been ended."""
        return self._process.wait()

    def end(self) -> None:
        """End all workers."""
        self._process.communicate()


_nursery: Nursery | None = None


def start_nursery(*modules: str) -> Nursery:
    """Return the nursery of this process's job; it is started unless there is one."""
    global _nursery  # noqa: PLW0603
    _nursery = _nursery or Nursery(*modules)
    return _nursery


def end_nursery() -> None:
    """End the nursery, if there is one, and its workers."""
    global _nursery  # noqa: PLW0603
    if _nursery is not None:
        _nursery.end()
    _nursery = None


def main() -> None:
    """Import what the arguments name; fork a worker for each line that the driver sends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches all: the driver answers it
    signal.signal(signal.SIGCHLD, _fail_with_child)
    logging.disable(logging.ERROR)  # what fails here is raised in the driver as well
    warnings.simplefilter("ignore")  # no thread of ours runs at a fork, only idle ones of libraries
    gc.disable()  # what is imported stays: looking through it would take a third of the time
    with _ending_with_driver():
        for module in ("apache_beam.runners.worker.sdk_worker_main", *sys.argv[1:]):
            with contextlib.suppress(ImportError):  # the driver says what to install
                importlib.import_module(module)
    gc.freeze()  # workers share it, and need never look through it
    gc.enable()
    for line in sys.stdin.buffer:
        if os.fork() == 0:
            _serve(json.loads(line))
    os._exit(0)  # as a worker does


@contextlib.contextmanager
def _ending_with_driver() -> Iterator[None]:
    """End this process when the driver is gone, looked at from a thread that no fork will see."""
    done = threading.Event()
    watch = threading.Thread(target=_watch_driver, args=(done,), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _watch_driver(done: threading.Event) -> None:
    pipe = _driver()
    while not done.is_set():
        if pipe.poll(_LOOK_MS):
            os._exit(0)


def _fail_with_child(*_: object) -> None:
    """Take note of workers that ended; that one failed, or was killed, is the driver's business."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if code := os.waitstatus_to_exitcode(ended[1]):
                os._exit(code if code > 0 else 128 - code)


def _serve(environment: dict[str, str]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])
    os._exit(0)  # all is written; taking the interpreter down would cost a third of a second


def _end_with_driver() -> None:
    _driver().poll()
    os._exit(0)


def _driver() -> select.poll:
    """Return what tells that the pipe's other end is closed: the driver is gone, or has ended."""
    pipe = select.poll()
    pipe.register(_PIPE, 0)
    return pipe


if __name__ == "__main__":
    main()
