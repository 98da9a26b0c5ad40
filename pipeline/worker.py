"""A local worker process of Beam's, quiet, that ends with the process that started it.

Beam's own command logs every connection at INFO, and after a SIGKILL of the driver it would go
on with the shards it was given, beside the workers of the next run.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time

# `exec`, so that no shell stands between the driver and its worker.
COMMAND = f"exec {sys.executable} -m pipeline.worker"
_POLL_SECONDS = 0.5


def main() -> None:
    """Serve the driver until it says so or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches all: the driver answers it
    logging.disable(logging.ERROR)  # what fails here is raised in the driver as well
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
    os._exit(0)  # all is written; taking the interpreter down would cost a third of a second


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
