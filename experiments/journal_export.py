"""Calls of a journal for other programs: as Parquet, or as one JSON object a line."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agents.llm.calls import Which
from agents.llm.reader import JournalReader
from experiments.errors import UserError
from experiments.files import write_atomic

AT_ONCE = 5_000  # rows in memory
_TEXTS = (
    *("key", "model", "parameters", "purpose", "way", "answer_key", "system", "user", "said", "complaint", "reply"),
    *("problem", "error", "faults"),
)
_WHOLE = ("id", "attempt", "seed", "episode", "step", "agent", "draw", "choice", "tokens_in", "tokens_out")
SCHEMA = pa.schema(
    [
        *[pa.field(name, pa.int64()) for name in _WHOLE],
        *[pa.field(name, pa.string()) for name in _TEXTS],
        *[pa.field(name, pa.float64()) for name in ("missing", "seconds", "created")],
        pa.field("choices", pa.list_(pa.string())),
        pa.field("log_probs", pa.list_(pa.float64())),
        pa.field("void", pa.bool_()),
    ]
)


def chosen(words: Sequence[str]) -> Which:
    """Of words like step=3. UserError: one of them chooses nothing."""
    found: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        read = {"purpose": str, "unusable": _yes}.get(name, int) if name in Which.__dataclass_fields__ else None
        try:
            found[name] = read(value) if read and value else None
        except ValueError:
            found[name] = None
        if found[name] is None:
            raise UserError(
                f"{word!r} chooses no calls",
                where="the words after the run",
                fix="write purpose=NAME, episode=N, step=N, agent=N or unusable=yes",
            )
    return Which(**found)


def check_purpose(which: Which, place: Path) -> None:
    """UserError: nothing was asked for that purpose."""
    reader = JournalReader(place)
    try:
        known = reader.purposes()
    finally:
        reader.close()
    if which.purpose is not None and which.purpose not in known:
        raise UserError(
            f"nothing was asked for {which.purpose!r}", where="purpose", fix=f"name one of: {', '.join(known)}"
        )


def _yes(value: str) -> bool:
    if value != "yes":
        raise ValueError(value)
    return True


def export(rows: Iterable[dict[str, Any]], file: Path) -> int:
    """How many rows were written. UserError: the file's name does not say which form is meant."""
    write = {".parquet": _parquet, ".jsonl": _lines}.get(file.suffix)
    if write is None:
        raise UserError(
            f"{file.name} names no form that calls can be written in",
            where=str(file),
            fix="end it in .parquet or .jsonl",
        )
    written = [0]

    def counted() -> Iterator[dict[str, Any]]:
        for row in rows:
            written[0] += 1
            yield row

    write_atomic(file, lambda part: write(counted(), part))
    return written[0]


def _parquet(rows: Iterator[dict[str, Any]], part: Path) -> None:
    with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
        while batch := list(islice(rows, AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(batch, SCHEMA))


def _lines(rows: Iterator[dict[str, Any]], part: Path) -> None:
    with part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, allow_nan=False, ensure_ascii=False) + "\n")
