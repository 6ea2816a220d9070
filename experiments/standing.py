"""Whether a ladder stands: every rung's level against a reference, and the order of those who know more and more.

Every rung meets the same held-out communities with the same choice noise.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from experiments.claims import Json, Outcome
from experiments.statistics import Interval, mean_interval, paired_interval
from societies.base import Principal
from societies.stage import Stage

HELD_OUT_SEED = 910_001  # of the communities that policies are judged on; never learned from
BATCH = 100  # worlds at once
Reference = Mapping[str, tuple[float, float]]
"""Rung -> (level, half-width of its 95% interval), sums over the steps."""


@dataclass(frozen=True)
class Rungs:
    """What the rungs of a ladder are, lowest first."""

    labels: Mapping[str, str]  # rung -> in words
    order: tuple[str, ...]  # those that must stand in this order
    blind: str  # the rung that plans and never learns who is who
    unit: str  # of a level


def scored(stage: Stage, communities: int, principal: Callable[[int], Principal]) -> Tensor:
    """[C] returns on the held-out communities; the principal is made anew for the batch that starts at a world."""
    starts = range(0, communities, BATCH)
    parts = [stage.play(principal(start), start, batch(communities, start)) for start in starts]
    return stage.society.steps * torch.cat([episode.returns() for episode in parts])


def batch(communities: int, start: int) -> int:
    """How many worlds there are in the batch that starts at that one."""
    return min(BATCH, communities - start)


def outcome(name: str, rungs: Rungs, found: Mapping[str, Tensor], reference: Reference, smoke: bool) -> Outcome:
    """The ladder of a society from the returns of every rung [C], and whether it stands as it was measured before."""
    levels = {rung: mean_interval(returns.double().numpy()) for rung, returns in found.items()}
    apart = [rung for rung in reference if not _overlap(levels[rung], reference[rung])]
    means = [levels[rung].value for rung in rungs.order]
    ordered = means == sorted(means)
    return Outcome(
        claim=f"the ladder of {name} stands: known levels, and who knows more can do more",
        passed=not apart and ordered,
        figure=f"{len(reference) - len(apart)} of {len(reference)} levels as before"
        f"{' (not ' + ', '.join(apart) + ')' if apart else ''}, rungs {'in order' if ordered else 'OUT OF ORDER'}",
        bar="the 95% interval of every level overlaps that of the reference, rungs in order",
        figures=_figures(rungs, found, levels, reference),
        seeds=(HELD_OUT_SEED,),
        smoke=smoke,
    )


def _overlap(level: Interval, reference: tuple[float, float]) -> bool:
    centre, half = reference
    return level.low <= centre + half and centre - half <= level.high


def _figures(
    rungs: Rungs, found: Mapping[str, Tensor], levels: Mapping[str, Interval], reference: Reference
) -> dict[str, Json]:
    gap, bayes = _paired(found, "oracle", rungs.blind), _paired(found, "bayes", rungs.blind)
    return {
        "held_out_communities": len(found["oracle"]),
        "unit": rungs.unit,
        "ladder": [_row(rung, label, found, levels[rung], reference) for rung, label in rungs.labels.items()],
        "reference": {rung: list(level) for rung, level in reference.items()},
        "value_of_traits": _plain(gap),
        "worth_to": "one who plans without learning who is who",
        "bayes_over_blind": _plain(bayes),
        "value_of_traits_share": round(gap.value / levels[rungs.blind].value, 4),
    }


def _row(rung: str, label: str, found: Mapping[str, Tensor], level: Interval, reference: Reference) -> dict[str, Json]:
    gain = _paired(found, rung, "best_fixed")
    agrees = _overlap(level, reference[rung]) if rung in reference else None  # None: nothing is known of it
    return {"name": rung, "label": label, "welfare": _plain(level), "gain": _plain(gain), "agrees": agrees}


def _paired(found: Mapping[str, Tensor], ours: str, theirs: str) -> Interval:
    return paired_interval(found[ours].double().numpy(), found[theirs].double().numpy())


def _plain(interval: Interval) -> list[Json]:
    """[value, low, high]"""
    return [round(value, 5) for value in asdict(interval).values()]
