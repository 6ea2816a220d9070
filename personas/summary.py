"""What a sample of rosters looks like in numbers: spreads, and how much people of one roster resemble one another."""

from dataclasses import dataclass

import torch
from torch import Tensor

from personas.people import People
from personas.sample import Facts

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Spread:
    """One variable over all people. `between`: the share of its variance that lies between rosters."""

    name: str
    mean: float
    sd: float
    quantiles: tuple[float, ...]  # at SHARES
    between: float


@dataclass(frozen=True)
class Shares:
    """A fact that is told in a word: which share of all people each word has, the most frequent first."""

    name: str
    shares: dict[str, float]


@dataclass(frozen=True)
class Summary:
    rosters: int
    people: int
    attributes: tuple[Spread, ...]
    facts: tuple[Spread, ...]  # numbers that are not public
    words: tuple[Shares, ...]
    traits: tuple[Spread, ...]
    correlations: tuple[tuple[float, ...], ...]  # between people's traits, in the order of `traits`
    community_correlations: tuple[tuple[float, ...], ...]  # between the rosters' mean traits; 0 for one roster


def sample_table(people: People, facts: Facts | None = None) -> Summary:
    """The summary of sampled rosters, over all B * N people; facts: see `Sampler.other_facts`."""
    others = (facts or {}).items()
    means = people.traits.mean(1)  # [B, Z]
    return Summary(
        people.worlds,
        people.worlds * people.agents,
        tuple(_spread(name, people.attribute(name)) for name in people.attribute_names),
        tuple(_spread(name, values) for name, (values, words) in others if not words),
        tuple(_shares(name, places, words) for name, (places, words) in others if words),
        tuple(_spread(name, people.trait(name)) for name in people.trait_names),
        _correlations(people.traits.flatten(0, 1)),
        _correlations(means),
    )


def between_share(values: Tensor) -> float:
    """Intraclass correlation of [B, N] by one-way analysis of variance (Fisher 1925), clipped to [0, 1]."""
    worlds, agents = values.shape
    if worlds < 2 or agents < 2:
        return 0.0
    values = values.double()
    within = values.var(1).mean()
    between = agents * values.mean(1).var()
    total = between + (agents - 1) * within
    return float(((between - within) / total).clamp(0, 1)) if total > 0 else 0.0


def _spread(name: str, values: Tensor) -> Spread:
    flat = values.double().flatten().sort().values
    places = [min(int(share * len(flat)), len(flat) - 1) for share in SHARES]  # torch.quantile has a size limit
    sd = float(flat.std(correction=0))
    return Spread(name, float(flat.mean()), sd, tuple(float(flat[i]) for i in places), between_share(values))


def _shares(name: str, places: Tensor, words: tuple[str, ...]) -> Shares:
    counts = torch.bincount(places.flatten().long(), minlength=len(words)).tolist()
    found = sorted(zip(words, counts, strict=True), key=lambda one: -one[1])
    return Shares(name, {word: count / places.numel() for word, count in found})


def _correlations(rows: Tensor) -> tuple[tuple[float, ...], ...]:
    """Pearson correlations of the columns of [rows, Z]; 0 where a column does not vary."""
    centred = rows.double() - rows.double().mean(0)
    scale = centred.square().mean(0).sqrt()
    scaled = torch.where(scale > 1e-9, centred / scale.clamp(min=1e-9), 0.0)
    return tuple(tuple(row) for row in (scaled.T @ scaled / len(rows)).tolist())
