"""Units of work in several processes: each unit is one learner and one seed, and each of its parts a finished file."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import torch
import typer
from torch import Tensor

from experiments.stages import LEVELS, Stages

# glibc gives large tensors back to the system at every use, which clears the memory anew; workers keep it instead.
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**34)}  # bytes


@dataclass(frozen=True)
class Bench:
    """Where one unit keeps its parts. Only one process works on a unit."""

    folder: Path  # the claim's workplace
    unit: str
    started: float  # seconds since 1970, when the claim's run began

    @property
    def stages(self) -> Stages:
        """The unit's own folder, so that no two processes write the same file."""
        return Stages(self.folder / "stages" / self.unit)

    @property
    def journal(self) -> Path:
        """Of the unit's decisions, where a language model makes them."""
        return self.folder / "journals" / f"{self.unit}.sqlite"

    def part(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """The part, made unless it is finished; a line is printed when it has been made."""
        if self.stages.finished(name, LEVELS):
            return self.stages.get(name, LEVELS, make)
        began = time.monotonic()
        found = self.stages.get(name, LEVELS, make)
        reached = f"welfare {float(found['welfare'][-1].mean()):.4f}, " if "welfare" in found else ""
        typer.echo(f"{_clock(self.started)}  {self.unit}, {name}: {reached}{time.monotonic() - began:.0f} s")
        return found

    def keep(self, prefix: str) -> Callable[[str, Callable[[], Mapping[str, Tensor]]], Mapping[str, Tensor]]:
        """Keeps weights on the way to a part, under its name."""
        return lambda name, make: self.part(f"{prefix}, {name}", make)


def _clock(started: float) -> str:
    minutes, seconds = divmod(int(time.time() - started), 60)
    return f"[{minutes // 60}:{minutes % 60:02}:{seconds:02}]"


@dataclass(frozen=True)
class Unit:
    """Its name, and what is to be done; both travel to the process that does it."""

    name: str
    work: Callable[[Bench], None]


def do_all(units: Sequence[Unit], folder: Path, workers: int, started: float) -> None:
    """Do every unit, in `workers` processes; with one, in this process. Finished parts are not done again.

    The first error, or a signal to end, ends the work: units that have not begun are dropped, those under way are
    broken off, and the error is raised here.
    """
    if workers == 1 or len(units) == 1:
        for unit in units:
            _do(unit, folder, started)
        return
    for name, value in KEEPS_MEMORY.items():
        os.environ.setdefault(name, value)  # read by the workers when they begin
    context = get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(min(workers, len(units)), context, _worker, (os.getpid(), stop)) as pool:
        futures = [pool.submit(_do, unit, folder, started) for unit in units]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _do(unit: Unit, folder: Path, started: float) -> None:
    unit.work(Bench(folder, unit.name, started))


def _worker(parent: int, stop: Event) -> None:
    """One thread for tensors. A worker that is told to stop, or whose parent was killed, ends at once."""
    torch.set_num_threads(1)

    def watch() -> None:
        while os.getppid() == parent and not stop.wait(1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def done(folder: Path, unit: str, part: str) -> Mapping[str, Tensor]:
    """A finished part. FileNotFoundError where it is not finished; UserError where it cannot be read."""
    return Stages(folder / "stages" / unit).read(part, LEVELS)


def cpus() -> int:
    """How many processes may run at once."""
    return os.cpu_count() or 1
