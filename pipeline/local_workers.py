"""Beam's local runner with workers of :mod:`pipeline.worker`, whose death ends the job.

Beam's own handler of subprocesses waits for ever for a worker that was killed, as Linux does
when memory runs out.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from google.protobuf import json_format, text_format  # type: ignore[import-untyped]

from pipeline.worker import Nursery, start_nursery
from vocab.errors import InputError

_URN: Final = "tag2text:env:local_worker:v1"
_AGAIN_SECONDS = 0.2


class LocalWorkers(Environment):
    """Says to Beam's local runner that its workers are ours."""

    def __init__(self) -> None:
        super().__init__(capabilities=python_sdk_capabilities())

    def to_runner_api_parameter(self, _: Any) -> tuple[str, bytes]:
        """Return name and (empty) settings of this kind of worker."""
        return _URN, b""


@WorkerHandler.register_environment(_URN, bytes)
class LocalWorkerHandler(GrpcWorkerHandler):
    """Starts a worker for Beam and ends the job when one fails."""

    def __init__(self, _: bytes, state: Any, provision: Any, server: Any) -> None:
        super().__init__(state, provision, server)
        self._options: beam_provision_api_pb2.ProvisionInfo = provision.provision_info
        self._closing = threading.Event()

    def start_worker(self) -> None:
        """Let a worker be born that knows the driver's addresses."""
        nursery = start_nursery()
        nursery.fork(
            {
                "CONTROL_API_SERVICE_DESCRIPTOR": _text(self.control_api_service_descriptor()),
                "LOGGING_API_SERVICE_DESCRIPTOR": _text(self.logging_api_service_descriptor()),
                "PIPELINE_OPTIONS": json_format.MessageToJson(self._options.pipeline_options),
                "WORKER_ID": self.worker_id,
            }
        )
        threading.Thread(target=self._watch, args=(nursery,), daemon=True).start()

    def stop_worker(self) -> None:
        """Do nothing: a worker ends by itself once its connections are closed."""

    def close(self) -> None:
        """Close the connections."""
        self._closing.set()
        super().close()

    def _watch(self, nursery: Nursery) -> None:
        code = nursery.wait()
        error = InputError(
            f"a worker process ended with code {code} (137: killed, as when memory runs out); "
            "run the same command again, perhaps with fewer --workers"
        )
        while not self._closing.wait(_AGAIN_SECONDS):  # also what is asked of it from now on
            self.control_conn.abort(error)


def _text(descriptor: Any) -> str:
    return str(text_format.MessageToString(descriptor))
