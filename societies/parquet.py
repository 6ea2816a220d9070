"""Tensors in a Parquet file: one row per world, one fixed-size list column per tensor, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

FORMAT = 1  # changes when old files can no longer be read


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write tensors [B, ...] and JSON-able facts. On return the file is on the disk; a kill before leaves no file."""
    arrays = {name: t.detach().cpu().contiguous().numpy() for name, t in tensors.items()}
    layout = {name: [str(a.dtype), list(a.shape)] for name, a in arrays.items()}
    about = json.dumps({"format": FORMAT, "layout": layout, "facts": dict(facts)})
    columns = {name: _column(a) for name, a in arrays.items() if a.size}  # Parquet has no lists of no elements
    table = pa.table(columns).replace_schema_metadata({"solon": about})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the facts, exactly as written. ValueError for a file that is not one of ours."""
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {})[b"solon"])
    except (FileNotFoundError, PermissionError):
        raise
    except (pa.ArrowInvalid, KeyError, OSError) as error:  # pyarrow raises OSError for damage inside a file
        raise ValueError(f"{path} is not an episode file, or is damaged; delete it and play it again") from error
    if about["format"] != FORMAT:
        raise ValueError(f"{path} has format {about['format']}, this program reads {FORMAT}; play it again")
    tensors = {name: _tensor(table, name, *layout) for name, layout in about["layout"].items()}
    return tensors, about["facts"]


def _column(array: np.ndarray) -> Any:  # a pyarrow array; the library ships no types
    flat = pa.array(array.reshape(-1))
    return flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array[0].size)


def _tensor(table: Any, name: str, dtype: str, shape: list[int]) -> Tensor:
    if name not in table.column_names:
        return torch.from_numpy(np.zeros(shape, dtype))
    column = table.column(name).combine_chunks()
    flat = column if len(shape) == 1 else column.flatten()
    return torch.from_numpy(flat.to_numpy(zero_copy_only=False).astype(dtype, copy=True).reshape(shape))


def _sync_folder(folder: Path) -> None:
    """The new name itself survives a power cut only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
