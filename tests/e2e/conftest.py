"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e import jobs


@pytest.fixture
def portable_runner() -> Iterator[list[str]]:
    """The flags for Beam's own portable job service, which runs on a loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    module = "apache_beam.runners.portability.local_job_service_main"
    line = [sys.executable, "-m", module, "--port", str(port)]
    service = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    jobs.wait_for(listening)
    flags = ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}"]
    yield ["--", *flags, "--environment_type=LOOPBACK"]
    service.terminate()
    service.wait()
