"""Many runs: configs x values of some keys x seeds, each in a run folder of its own, gone on with like any other."""

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from experiments import runs
from experiments.cast import check, society_of
from experiments.config import Config, load_config
from experiments.errors import ROOT, UserError
from experiments.estimate import Estimate, estimate
from experiments.minds import words_of
from experiments.people_files import people_file
from experiments.runs import refuse_another
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
    where: str  # the folder that relative paths are told from


@dataclass(frozen=True)
class Done:
    """What became of it."""

    cell: Cell
    methods: list[dict[str, Any]]  # the rows of its own that `solon run --json` prints
    error: str = ""  # why there are none
    reference: str = ""  # the rules that gains are counted from
    node: str = ""  # which machine of a cluster it ran on


@dataclass(frozen=True)
class Row:
    """One method in one group, over seeds."""

    group: str
    method: str
    label: str  # as it is told
    reference: str  # that its gain is over, on the same communities
    welfare: Interval
    gain: Interval
    seeds: int


def cells(configs: Sequence[Path], words: Sequence[str], over: Sequence[str], seeds: int, smoke: bool) -> list[Cell]:
    """Every run, checked: UserError where one of them would be refused. over: "KEY=A,B" """
    _refuse_names([*words, *over], over)
    _refuse_twice("CONFIG", [str(config.resolve()) for config in configs])
    first = [_values(one)[0] for one in over]  # what a word means may hang on what is swept
    found, labels = list[Cell](), _labels(configs, [*words, *first])
    for config, values in product(configs, product(*map(_values, over))):
        for seed in range(seeds):
            given = (*words, *values, f"seed={seed}")
            name = _name(labels[config], values, seed)
            _check(load_config(config, [*given, f"name={name}"], smoke))
            group = " ".join((labels[config], *values))
            folder, here = str(runs.RUNS.resolve()), str(Path.cwd())
            found.append(Cell(str(config.resolve()), (*given, f"name={name}"), group, seed, smoke, folder, here))
    return found


def _refuse_names(words: Sequence[str], over: Sequence[str]) -> None:
    if given := [word for word in words if word.partition("=")[0] == "seed"]:
        raise UserError("a sweep gives its runs their seeds itself", where=given[0], fix="leave it out; see --seeds")
    if given := [word for word in over if word.partition("=")[0] == "name"]:
        raise UserError("runs with other names would be alike", where=given[0], fix="give name=... without --over")


def _refuse_twice(where: str, named: Sequence[str]) -> None:
    """One run must not count as several."""
    if twice := [name for name, times in Counter(named).items() if times > 1]:
        raise UserError(f"{twice[0]} is named twice", where=where, fix="name it once; more seeds are --seeds")


def _labels(configs: Sequence[Path], words: Sequence[str]) -> dict[Path, str]:
    """What to call the runs of each config: by its name, with a hash of where it lies if another has the same."""
    names = {config: load_config(config, words).name for config in configs}
    shared = Counter(names.values())
    return {
        config: name if shared[name] == 1 else f"{name}-{_digest(str(config.resolve()))}"
        for config, name in names.items()
    }


def _check(config: Config) -> None:
    """As a run does before it asks anybody. UserError."""
    check(config, society_of(config))
    refuse_another(config)
    people_file(config)
    words_of(config)


def _values(over: str) -> list[str]:
    """ "a.b=1,2" -> ["a.b=1", "a.b=2"]"""
    key, mark, values = over.partition("=")
    found = _split(values)
    if not mark or not key or not found:
        raise UserError(
            f"{over!r} is not KEY=VALUE,VALUE", where="--over", fix="write it like --over method.settings.penalty=0,0.5"
        )
    _refuse_twice(f"--over {key}", found)
    return [f"{key}={value}" for value in found]


def _split(values: str) -> list[str]:
    """At the commas between them, not at those within brackets and quotes: each is YAML. [] = they cannot be read."""
    listed = f"[{values}]"
    try:
        whole = YAML(typ="safe", pure=True).compose(listed)
    except YAMLError:
        return []
    if whole.end_mark.index < len(listed):  # a bracket that was not opened
        return []
    return [listed[node.start_mark.index : node.end_mark.index].strip() for node in whole.value]


def _name(label: str, values: Sequence[str], seed: int) -> str:
    """A run's, of what tells it from the others; with a hash where that cannot be told in letters, or is too long."""
    told = [value.partition("=") for value in values]
    plain = [f"{key.rpartition('.')[2]}-{value}" for key, _, value in told]
    slugs = [re.sub("[^a-zA-Z0-9]+", "-", one).strip("-") for one in plain]
    name = "-".join((label, *slugs, f"seed{seed}"))
    if slugs == plain and len(name) <= _LONGEST:
        return name
    digest = _digest(" ".join((label, *values)))
    return f"{'-'.join((label, *slugs))[: _LONGEST - 16]}-{digest}-seed{seed}"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=3).hexdigest()


def foretold(todo: Sequence[Cell]) -> Iterator[tuple[str, Estimate]]:
    """What each run would take, by its name. Nobody is asked."""
    for cell in todo:
        config = load_config(Path(cell.config), cell.words, cell.smoke)
        yield config.name, estimate(config)


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
            cwd=cell.where,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            check=False,
            preexec_fn=_die_with_parent,
        )
    if done.returncode != 0:
        return Done(cell, [], _why(done.returncode, Path(log.name)))
    told: dict[str, Any] = json.loads(done.stdout)
    own = [method for method in told["methods"] if not method["quoted"]]  # quoted ones are the same in every run
    return Done(cell, own, reference=told["reference"])


def _die_with_parent() -> None:
    """Asks Linux to end this process with the one that began it: a run without a sweep would keep its folder locked."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _why(code: int, log: Path) -> str:
    """What a run that failed said last."""
    said = log.read_text().strip()
    if "error: " in said:
        return said.rpartition("error: ")[2][-2000:]
    return f"it ended with {code}; see {log}"


def here(todo: Sequence[Cell], at_once: int) -> Iterator[Done]:
    """All of them on this machine, so many at a time, as they are done."""
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(run_cell, todo)


def rows(done: Sequence[Done]) -> list[Row]:
    """Of every group and method, over the seeds that came to an end."""
    found = list[Row]()
    for group in dict.fromkeys(one.cell.group for one in done if one.methods):
        own = [one for one in done if one.cell.group == group and one.methods]
        names = dict.fromkeys(method["name"] for one in own for method in one.methods)
        for name in names:
            rows = [method for one in own for method in one.methods if method["name"] == name]
            welfare, gain = (np.array([row[what][0] for row in rows]) for what in ("welfare", "gain"))
            intervals = seed_interval(welfare), seed_interval(gain)
            found.append(Row(group, name, rows[0]["label"], own[0].reference, *intervals, len(rows)))
    return found
