"""The stand-in servers of this folder as processes of their own."""

import os
import subprocess
import sys
from collections.abc import Collection, Generator
from contextlib import contextmanager

from experiments.errors import ROOT


@contextmanager
def started(server: str, *words: str, cores: Collection[int] | None = None) -> Generator[str]:
    """The address of experiments/benchmarks/SERVER.py, which prints its port once it listens. cores: where it runs."""
    command = [sys.executable, "-m", f"experiments.benchmarks.{server}", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            if cores is not None:
                os.sched_setaffinity(child.pid, cores)
            assert child.stdout is not None
            yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.kill()
