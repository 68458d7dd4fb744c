"""MiniStack as a context manager: one process group, one temp folder, and neither of them left behind.

Imports the standard library only, so that tests can use it without the rest of `local`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
DEFAULT_PORT = 4566
REGION = "us-east-1"

#: Accepted by MiniStack, worthless anywhere else.
CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}

_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_FREE_PORT_TRIES = 3
#: What the emulator and the functions on it inherit of the caller's environment: no AWS profile, no proxy.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class EmulatorError(Exception):
    """MiniStack could not be started; the message says what to do."""


class PortInUseError(EmulatorError):
    """Somebody else listens on the wanted port."""


@dataclass(frozen=True)
class Emulator:
    """A running MiniStack."""

    port: int
    pid: int
    folder: Path
    """its temp folder, removed when it stops; `ministack.log` is in it"""

    @property
    def url(self) -> str:
        """Return the endpoint for every AWS client."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """Return the file with everything that MiniStack and the functions on it print."""
        return self.folder / "ministack.log"

    def client_settings(self) -> dict[str, str]:
        """Return the keyword arguments of `boto3.Session().client` that reach this emulator and nothing else."""
        return {
            "endpoint_url": self.url,
            "region_name": REGION,
            "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }


def port_in_use(port: int) -> bool:
    """Whether something listens on this loopback port, or it cannot be had for another reason."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((HOST, port)) == 0


def free_port() -> int:
    """Return a loopback port that nobody uses at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def emulator(port: int | None = DEFAULT_PORT, *, environment: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """Run MiniStack on `port` (`None`: any free one) for the length of the block.

    Functions run on this very interpreter, whatever their runtime says, so its environment must hold their
    dependencies. `environment` is added to what MiniStack and all functions see. At the end, also after an exception,
    every process is killed and the temp folder removed: nothing that MiniStack holds outlives it.

    Raises `PortInUseError`, or `EmulatorError` with the end of its log when it does not come up within 30 seconds.
    """
    if port is not None and port_in_use(port):
        raise PortInUseError(
            f"port {port} is in use: stop what listens there, or choose another one: make run PORT={port + 4}"
        )
    folder = Path(tempfile.mkdtemp(prefix="rekindle-"))
    started: list[subprocess.Popen[bytes]] = []
    try:
        chosen, tries = port or free_port(), 1
        while True:
            started.append(_start(chosen, folder, environment or {}))
            try:
                _await_ready(started[-1], chosen, folder)
                break
            except EmulatorError:
                if port is not None or tries == _FREE_PORT_TRIES:
                    raise
                chosen, tries = free_port(), tries + 1
        yield Emulator(port=chosen, pid=started[-1].pid, folder=folder)
    finally:
        with _uninterrupted():
            for process in started:
                _stop(process)
            _remove(folder)


def _start(port: int, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start MiniStack as the leader of its own process group, so that its workers can be stopped with it."""
    settings = {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        **CREDENTIALS,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
        "HOME": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "NO_PROXY": f"{HOST},localhost",
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    with (folder / "ministack.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            cwd=folder,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_ready(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Poll the health page until it answers. Raises `EmulatorError` when the process ends or the time is up."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EmulatorError(f"MiniStack ended at once (exit code {process.returncode}).\n{_log_end(folder)}")
        try:
            with opener.open(f"http://{HOST}:{port}/_ministack/health", timeout=2) as answer:
                if answer.status == 200:  # noqa: PLR2004
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.05)
    raise EmulatorError(f"MiniStack did not come up within {_READY_SECONDS:.0f} seconds.\n{_log_end(folder)}")


def _log_end(folder: Path) -> str:
    lines = (folder / "ministack.log").read_text("utf-8", "replace").splitlines()
    return "\n".join(lines[-15:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group. Nothing in it has anything worth saving, so it is not asked first."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_STOP_SECONDS)
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline and _group_alive(process.pid):
        time.sleep(0.02)


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # macOS says "not permitted" of a group of zombies
        return False
    return True


def _remove(folder: Path) -> None:
    """Remove the folder; a worker that was writing when it was killed may make the first try fail."""
    deadline = time.monotonic() + _STOP_SECONDS
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists() and time.monotonic() > deadline:
            raise EmulatorError(f"could not remove {folder}")


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let no second Ctrl-C interrupt the cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
