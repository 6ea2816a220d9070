"""The sealed part of episodes on disk: the answer key. For tests and reports; learning may not import this module."""

from pathlib import Path

from societies.base import Sealed
from societies.parquet import read, write


def sealed_path(folder: Path, number: int) -> Path:
    """Where the sealed part with that number lies."""
    return folder / "sealed" / f"sealed-{number:05d}.parquet"


def save_sealed(folder: Path, number: int, sealed: Sealed) -> None:
    """Write one sealed part."""
    tensors = {"traits": sealed.traits, "payoff": sealed.payoff}
    write(sealed_path(folder, number), tensors, {"trait_names": sealed.trait_names})


def load_sealed(folder: Path) -> list[Sealed]:
    """Every sealed part in the order of its number. ValueError for a damaged file."""
    return [_load(path) for path in sorted((folder / "sealed").glob("sealed-*.parquet"))]


def _load(path: Path) -> Sealed:
    tensors, facts = read(path)
    return Sealed(tuple(facts["trait_names"]), tensors["traits"], tensors["payoff"])
