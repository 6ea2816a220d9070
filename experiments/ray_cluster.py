"""The runs of a sweep as tasks of a Ray cluster, whose machines share the folders of the code and of the runs."""

import importlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from experiments.errors import ROOT, UserError
from experiments.sweep import Cell, Done, run_cell

_PATIENCE = 5.0  # seconds
_TRIES = 3  # of a run whose machine is lost: it goes on from its folder


def on_ray(todo: Sequence[Cell], address: str) -> Iterator[Done]:
    """All of them, one to a processor, as they are done. address: of a cluster; "auto" = this machine's, "local" = a
    new one here. UserError: there is no Ray, or no such cluster.
    """
    ray = _joined(address)
    try:
        task = ray.remote(num_cpus=1, max_retries=_TRIES)(_with_node)
        cells = {task.remote(cell): cell for cell in todo}
        waiting = list(cells)
        while waiting:
            (ready, *_), waiting = ray.wait(waiting, num_returns=1)
            try:
                yield ray.get(ready)
            except ray.exceptions.RayError as error:  # what the others found is not to be lost with this one
                yield Done(cells[ready], [], f"{type(error).__name__}: {error}")
    finally:
        ray.shutdown()


def _with_node(cell: Cell) -> Done:
    ray = importlib.import_module("ray")
    return replace(run_cell(cell), node=str(ray.get_runtime_context().get_node_id()))


def _joined(address: str) -> Any:
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        fix = "pip install '.[ray]' in Solon's folder, or leave --ray out to run them here"
        raise UserError("Ray is not installed", where="--ray", fix=fix) from None
    if address not in ("auto", "local"):
        _check_open(address)
    environment = {"env_vars": {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}}
    try:
        ray.init(address=address, runtime_env=environment, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from None
    return ray


def _check_open(address: str) -> None:
    """Ray itself would wait for minutes. UserError: nobody listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, why: Exception) -> UserError:
    fix = "start one with `ray start --head` and give its address HOST:PORT, or write --ray local for one here"
    return UserError(f"there is no Ray cluster at {address} ({why})", where="--ray", fix=fix)
