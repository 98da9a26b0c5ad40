"""A program on a pseudo-terminal: keys go in, and what a person would see can be read."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyte


class Seen(NamedTuple):
    """When something came to be on the screen (of ``time.perf_counter``), and the CPU used then."""

    at: float
    cpu: float


class Terminal:
    """A process and the screen it writes to."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        leader, follower = pty.openpty()
        self._leader = leader
        self.resize(columns, rows)
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, close_fds=True, cwd=cwd,
            start_new_session=True, env={**os.environ, "TERM": "xterm-256color", **(env or {})},
        )  # fmt: skip
        os.close(follower)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a person who drags the window."""
        fcntl.ioctl(self._leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def send(self, keys: str | bytes) -> float:
        """Type; return when."""
        now = time.perf_counter()
        os.write(self._leader, keys.encode() if isinstance(keys, str) else keys)
        return now

    def read(self, seconds: float) -> Seen | None:
        """Take in what the program writes next; None when it writes nothing for that long."""
        ready, _, _ = select.select([self._leader], [], [], max(0.0, seconds))
        if not ready:
            return None
        try:
            data = os.read(self._leader, 1 << 16)
        except OSError:  # Linux says so when the program has closed its side
            data = b""
        seen = Seen(time.perf_counter(), self.cpu())
        if not data:
            return None
        self.raw += data
        self._stream.feed(data)
        return seen

    def wait(self, seen: Callable[[list[str]], object], seconds: float = 60) -> Seen:
        """Return when the lines of the screen are as wanted; ``TimeoutError`` shows what is."""
        deadline = time.perf_counter() + seconds
        moment = Seen(time.perf_counter(), self.cpu())
        while not seen(self.lines):
            step = self.read(deadline - time.perf_counter())
            if step is None and (self.process.poll() is not None or _past(deadline)):
                raise TimeoutError("not on the screen:\n" + "\n".join(self.lines))
            moment = step or moment
        return moment

    def wait_for(self, text: str, seconds: float = 60) -> Seen:
        """Return when a line holds the text."""
        return self.wait(lambda lines: any(text in line for line in lines), seconds)

    def drain(self) -> None:
        """Take in all that a program which has ended wrote."""
        while self.read(0.2) is not None:
            pass

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without blanks at the ends."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self.lines)

    def cpu(self) -> float:
        """Return the seconds of CPU, user and system, that the process has used so far."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()
        self.process.wait()

    def close(self) -> int:
        """End the process, if it still runs, and the terminal; return the exit code."""
        if self.process.poll() is None:
            self.kill()
        os.close(self._leader)
        return self.process.returncode


def _past(deadline: float) -> bool:
    return time.perf_counter() >= deadline
