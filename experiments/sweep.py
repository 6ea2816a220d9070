"""Many runs: configs x values of some keys x seeds, each in a run folder of its own, gone on with like any other."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from experiments import runs
from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.statistics import Interval, seed_interval

_LONGEST = 56  # characters of a run's name, before what --smoke puts behind it


@dataclass(frozen=True)
class Cell:
    """One run of a sweep."""

    config: str  # file
    words: tuple[str, ...]  # KEY=VALUE, the seed among them, the name last
    group: str  # what it has in common with the runs of other seeds, for the table
    seed: int
    smoke: bool
    folder: str  # of all runs


@dataclass(frozen=True)
class Done:
    """What became of it."""

    cell: Cell
    methods: list[dict[str, Any]]  # the rows of its own that `solon run --json` prints
    error: str = ""  # why there are none
    node: str = ""  # which machine of a cluster it ran on


@dataclass(frozen=True)
class Row:
    """One method in one group, over seeds."""

    group: str
    method: str
    welfare: Interval
    gain: Interval  # over the run's reference, on the same communities
    seeds: int


def cells(configs: Sequence[Path], words: Sequence[str], over: Sequence[str], seeds: int, smoke: bool) -> list[Cell]:
    """Every run, checked: UserError where one of them would be refused. over: "KEY=A,B" """
    found = list[Cell]()
    for config, values in product(configs, product(*map(_values, over))):
        for seed in range(seeds):
            given = (*words, *values, f"seed={seed}")
            name = _name(load_config(config, given).name, values, seed)
            load_config(config, [*given, f"name={name}"], smoke)
            group = " ".join((config.stem, *values))
            found.append(Cell(str(config.resolve()), (*given, f"name={name}"), group, seed, smoke, str(runs.RUNS)))
    return found


def _values(over: str) -> list[str]:
    """ "a.b=1,2" -> ["a.b=1", "a.b=2"]"""
    key, mark, values = over.partition("=")
    if not mark or not key or not all(values.split(",")):
        raise UserError(
            f"{over!r} is not KEY=VALUE,VALUE", where="--over", fix="write it like --over method.settings.penalty=0,0.5"
        )
    return [f"{key}={value}" for value in values.split(",")]


def _name(base: str, values: Sequence[str], seed: int) -> str:
    """A run's, of what tells it from the others; a long one ends with a hash of the whole."""
    told = [re.sub("[^a-zA-Z0-9]+", "-", value.rpartition(".")[2]).strip("-") for value in values]
    name = "-".join((base, *told, f"seed{seed}"))
    digest = blake2b(name.encode(), digest_size=4).hexdigest()
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 9]}-{digest}"


def run_cell(cell: Cell) -> Done:
    """The run, in a process of its own; what it says goes to a .log beside its folder. Its API keys are those of the
    machine that it runs on.
    """
    command = [sys.executable, "-m", "experiments.cli", "run", cell.config, *cell.words, "--json"]
    name = cell.words[-1].removeprefix("name=") + "-smoke" * cell.smoke
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOLON_RUNS": cell.folder}
    Path(cell.folder).mkdir(parents=True, exist_ok=True)
    with (Path(cell.folder) / f"{name}.log").open("w") as log:
        done = subprocess.run(
            command + ["--smoke"] * cell.smoke,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        told = Path(log.name).read_text().strip().split("\nerror: ")[-1].removeprefix("error: ")
        return Done(cell, [], told[-2000:] or f"it ended with {done.returncode}")
    methods: list[dict[str, Any]] = json.loads(done.stdout)["methods"]
    return Done(cell, [method for method in methods if not method["quoted"]])  # those are the same in every run


def here(todo: Sequence[Cell], at_once: int) -> Iterator[Done]:
    """All of them on this machine, so many at a time, as they are done."""
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(run_cell, todo)


def rows(done: Sequence[Done]) -> list[Row]:
    """Of every group and method, over the seeds that came to an end."""
    found = list[Row]()
    for group in dict.fromkeys(one.cell.group for one in done if one.methods):
        own = [one.methods for one in done if one.cell.group == group and one.methods]
        for place, first in enumerate(own[0]):
            welfare = np.array([methods[place]["welfare"][0] for methods in own])
            gain = np.array([methods[place]["gain"][0] for methods in own])
            found.append(Row(group, first["name"], seed_interval(welfare), seed_interval(gain), len(own)))
    return found
