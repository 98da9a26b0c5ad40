"""The jobs on Cloud Storage: an emulator of it on loopback, the same bytes as on a disk."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import jobs, stores

pytest.importorskip("gcp_storage_emulator", reason="pip install gcp-storage-emulator")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

# A process of its own, as Arrow holds the interpreter while it reads; threads, as it reads from
# several connections at once.
SERVER = """
import http.server, sys, threading
from gcp_storage_emulator import server
server.server.HTTPServer = http.server.ThreadingHTTPServer
server.create_server("127.0.0.1", int(sys.argv[1]), in_memory=True, default_bucket="bucket").start()
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], **quiet)  # type: ignore[call-overload]

    def listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        jobs.wait_for(listening)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", f"http://127.0.0.1:{port}")
            key = write_key(tmp_path_factory.mktemp("key") / "key.json")
            patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
            yield "gs://bucket"
    finally:
        server.kill()
        server.wait()


def write_key(path: Path) -> Path:
    """Write the key of a made-up account: with one, the client asks no server for a token."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    account = {
        "type": "service_account",
        "project_id": "test",
        "private_key_id": "test",
        "private_key": pem,
        "client_email": "test@test.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:1/token",
    }
    path.write_text(json.dumps(account))
    return path


@pytest.mark.slow
def test_jobs_on_a_store_give_the_bytes_of_jobs_on_a_disk(bucket: str, tmp_path: Path) -> None:
    stores.assert_jobs_give_the_bytes_of_a_disk(bucket, tmp_path)


def test_files_of_a_store(bucket: str) -> None:
    stores.assert_files_come_and_go(bucket)
