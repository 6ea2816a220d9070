"""Cells, differences and distances of a comparison as plain JSON: {mean, low, high}, or why there is no number. Of few
seeds there is no interval and no p: these are null.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.compared_cells import Part
from experiments.compared_tables import Difference, Known, Mean, Pair, Tables

JsonDict = dict[str, Any]


def tables_json(tables: Tables) -> JsonDict:
    """Everything but the words."""
    told = [*tables.pairs, *([tables.chance] if tables.chance else [])]
    return {
        "kinds": list(tables.kinds),
        "seeds": tables.seeds,
        "cells": {
            kind: _nested({key: known_json(k) for key, k in tables.cells[kind].items()}) for kind in tables.kinds
        },
        "pairs": [_pair(pair) for pair in told],
    }


def mean_json(of: Mean) -> JsonDict:
    """{mean, low, high}"""
    low, high = of.ends or (None, None)
    return {"mean": of.value, "low": low, "high": high}


def known_json(of: Known) -> JsonDict:
    """A cell over seeds."""
    return mean_json(of.mean) if of.mean else {"not_applicable": of.why_not}


def _difference(of: Difference) -> JsonDict:
    tested = of.mean.ends is not None
    return {**mean_json(of.mean), "p": of.p if tested else None, "p_holm": of.adjusted if tested else None}


def _nested(flat: Mapping[tuple[str, str], JsonDict]) -> dict[str, JsonDict]:
    nested: dict[str, JsonDict] = {}
    for (table, row), value in flat.items():
        nested.setdefault(table, {})[row] = value
    return nested


def _pair(pair: Pair) -> JsonDict:
    differences = _nested({key: _difference(found) for key, found in pair.differences.items()})
    distances = {name: known_json(known) for name, known in pair.distances.items()}
    return {"kinds": [pair.first, pair.second], "differences": differences, "distances": distances}


def part_json(part: Part) -> JsonDict:
    """What `part_of_json` reads back."""
    tensors = {name: getattr(part, name).tolist() for name in ("chosen", "products")}
    return {"cells": part.cells, **tensors, "people": part.people.round(5).tolist(), "traits": list(part.traits)}


def part_of_json(told: JsonDict) -> Part:
    """What `part_json` made."""
    chosen, people, products = (np.array(told[name]) for name in ("chosen", "people", "products"))
    return Part(told["cells"], chosen, people, products, tuple(told["traits"]))
