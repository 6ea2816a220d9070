"""What one kind of people did in some rosters, as numbers: the cells that kinds of people are compared by.

The scale of a choice, a price and a lot are the society's own (`societies.base.Scaled`). With e the answer that
somebody means in a step (the mean amount of a choice by its chances), over counted steps:

    answer        mean of e under each of the rules
    price         mean of e in eighths of the range of the price
    elasticity    b mean(price) / mean(e); b the slope of e on the price within persons, whatever the step: what is left
                  of both once the mean of each person and that of each step are taken off
    trait         the slope of a person's mean answer on a trait from 0 to 1, other traits and public facts held equal
    trait curve   a person's mean answer in fifths of the people by the trait (by its values where they are few)
    welfare       mean of the principal's objective under each of the rules
    part          accounts, and people's own payoff, mean over the rules
    inequality    Gini of everyone's mean lot, mean over communities, under each of the rules
    recovery      R^2 of a trait, read by a ridge regression from what somebody did (mean amount under each of the
                  rules, mean prospects of what was chosen, public facts), on people of a seed that it was not
                  fitted on: `experiments.trait_reading`; of people who decided something under each of the rules
    signature     see `experiments.signatures`

Shapes: M rules, B worlds, T counted steps, N agents, K choices, D prospects, X facts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from experiments.signatures import Cell, Lived, signatures
from experiments.statistics import Floats
from experiments.trait_reading import products, recovered
from societies.base import Episode, Society
from societies.scales import scale_of
from societies.welfare import gini

BINS = 8  # of a price
FEW = 20  # decisions; a mean of fewer says nothing
PARTS = 5  # of the people by a trait
Cells = dict[str, dict[str, Cell]]
"""table -> row -> cell"""


@dataclass(frozen=True)
class Part:
    """What is kept of one kind of people in the rosters of one seed."""

    cells: Cells
    chosen: Floats  # [M, K] how often each choice was meant, in shares
    people: Floats  # [B N] everyone's mean answer, over the rules
    products: Floats  # of what everyone did and their traits: see `experiments.trait_reading`
    traits: tuple[str, ...]  # that are read
    unread: str = ""  # why traits cannot be read, where they cannot


def part_of(lived: Lived) -> Part:
    """From whole episodes."""
    answers = torch.stack([answer(society, own.episode) for society, own in lived.each])  # [M, B, T, N]
    everyone = answers.nanmean((0, 2))  # [B, N]
    cells: Cells = {
        "answer": {name: _mean(answers[i]) for i, name in enumerate(lived.played)},
        **_by_price(lived, answers),
        **_by_trait(lived, everyone),
        "welfare": {name: float(own.episode.returns().mean()) for name, own in lived.played.items()},
        "part": dict(_parts(lived)),
        "inequality": dict(_inequality(lived)),
        "signature": signatures(lived),
    }
    chosen = torch.stack([_chosen(own.episode) for _, own in lived.each])
    traits = lived.society.traits_used
    return Part(cells, chosen.double().numpy(), everyone.flatten().double().numpy(), _products(lived, traits), traits)


def with_recovery(parts: Sequence[Part]) -> list[Part]:
    """The parts of one kind, one of each seed, with how well traits can be read by what the other seeds show."""
    traits = parts[0].traits
    if parts[0].unread:
        found: list[dict[str, Cell]] = [{"": parts[0].unread} for _ in parts]
    elif not traits:
        found = [{"": "no trait counts in this society"} for _ in parts]
    else:
        found = recovered([part.products for part in parts], traits)
    return [replace(part, cells={**part.cells, "recovery": own}) for part, own in zip(parts, found, strict=True)]


def answer(society: Society, episode: Episode) -> Tensor:
    """[B, T, N] the answer that everyone means in each counted step; NaN for those who gave none."""
    told = episode.choice[:, episode.counted]
    meant = told @ scale_of(society).amounts() / told.sum(-1)
    return torch.where(told.sum(-1) > 0, meant, torch.nan)


def _mean(values: Tensor) -> Cell:
    """Of what is known of them."""
    known = values[~values.isnan()]
    return float(known.mean()) if len(known) else "nobody gave an answer"


def _chosen(episode: Episode) -> Tensor:
    """[K] shares"""
    told = episode.choice[:, episode.counted].sum((0, 1, 2))
    return told / told.sum().clamp_min(1e-9)


def _by_price(lived: Lived, answers: Tensor) -> Cells:
    scale = scale_of(lived.society)
    if not scale.price:
        none = "this society declares no price that people face"
        return {"price": {"": none}, "elasticity": {"price": none}}
    prices = torch.stack([_faced(society, own.episode) for society, own in lived.each])  # [M, B, T, N]
    prices = torch.where(answers.isnan(), torch.nan, prices)
    edges = np.linspace(*scale.prices, BINS + 1)
    edges[-1] = np.inf
    bins = {f"{_middle(scale.prices, i):g}": (prices >= a) & (prices < b) for i, (a, b) in enumerate(pairwise(edges))}
    curve: dict[str, Cell] = {
        at: float(answers[inside].mean()) if int(inside.sum()) >= FEW else f"fewer than {FEW} decisions"
        for at, inside in bins.items()
    }
    return {"price": curve, "elasticity": {"price": elasticity(prices, answers)}}


def _middle(ends: tuple[float, float], place: int) -> float:
    """Of a bin."""
    return ends[0] + (place + 0.5) * (ends[1] - ends[0]) / BINS


def _faced(society: Society, episode: Episode) -> Tensor:
    """[B, T, N] everyone's price in each counted step."""
    steps: list[int] = episode.counted.nonzero()[:, 0].tolist()
    scale = scale_of(society)
    return torch.stack([scale.faced(episode.features[:, t], episode.mechanism[:, t]) for t in steps], 1)


def elasticity(prices: Tensor, answers: Tensor) -> Cell:
    """Of answers to prices, [M, B, T, N] each, NaN where there is none: see the module."""
    known = ~prices.isnan()
    x, y = (torch.where(known, values, torch.nan).double() for values in (prices, answers))
    level = float(x.nanmean()), float(y.nanmean())
    for over in ((0, 2), (0, 1, 3)):  # of each person, of each step
        x, y = (values - values.nanmean(over, keepdim=True) for values in (x, y))
    spread = float((x * x).nansum())
    if spread < 1e-9:
        return "everybody always faces the same price"
    if abs(level[1]) < 1e-9:
        return "all answers are 0"
    return float((x * y).nansum()) / spread * level[0] / level[1]


def _by_trait(lived: Lived, everyone: Tensor) -> Cells:
    society, people = lived.society, lived.people
    if not society.traits_used:
        none = "no trait counts in this society"
        return {"trait": {"": none}, "trait curve": {"": none}, "trait at": {"": none}}
    traits = torch.stack([people.trait(name) for name in society.traits_used], -1)  # [B, N, Z]
    slopes = _slopes(torch.cat([traits, _public(lived)], -1), everyone)
    curve, at = dict[str, Cell](), dict[str, Cell]()
    for i, name in enumerate(society.traits_used):
        for place, inside in enumerate(_groups(traits[..., i])):
            curve[f"{name} {place + 1}"] = _mean(everyone[inside])
            at[f"{name} {place + 1}"] = _mean(traits[..., i][inside])
    varied = traits.flatten(0, 1).std(0) > 1e-6
    same = "nobody gave an answer" if bool(everyone.isnan().all()) else "everybody has as much of it"
    varied &= ~everyone.isnan().all()
    slope = {n: float(slopes[i]) if varied[i] else same for i, n in enumerate(society.traits_used)}
    return {"trait": slope, "trait curve": curve, "trait at": at}


def _groups(trait: Tensor) -> list[Tensor]:
    """Masks [B, N]: fifths of the people in the order of a trait, or those of each value where there are few."""
    values = trait.unique()
    if len(values) <= PARTS:
        return [trait == value for value in values]
    rank = trait.flatten().argsort(stable=True).argsort().reshape(trait.shape)
    place = rank * PARTS // trait.numel()
    return [place == i for i in range(PARTS)]


def _slopes(facts: Tensor, answers: Tensor) -> Tensor:
    """[X] by least squares with a constant, of answers [B, N] on facts [B, N, X]; who gave no answer is left out."""
    x, y = facts.flatten(0, 1).double(), answers.flatten().double()
    x, y = x[~y.isnan()], y[~y.isnan()]
    design = torch.cat([x, torch.ones_like(x[:, :1])], -1)
    return torch.linalg.lstsq(design, y[:, None], driver="gelsd").solution[:-1, 0]


def _public(lived: Lived) -> Tensor:
    """[B, N, X] public facts about everyone that never change."""
    society, played = next(lived.each)
    columns = [society.feature_names.index(name) for name in society.personal]
    return played.episode.features[:, 0][..., columns]


def _parts(lived: Lived) -> Iterator[tuple[str, Cell]]:
    every = [own for _, own in lived.each]
    for name in every[0].episode.accounts:
        values = [own.episode.accounts[name][:, own.episode.counted].mean() for own in every]
        yield name.replace("_", " "), float(torch.stack(values).mean())
    own = [each.sealed.payoff[:, each.episode.counted].mean() for each in every]
    yield "own payoff", float(torch.stack(own).mean())


def _inequality(lived: Lived) -> Iterator[tuple[str, Cell]]:
    for name, (society, own) in zip(lived.played, lived.each, strict=True):
        scale = scale_of(society)
        if not scale.lot:
            yield name, "this society declares no lot of people that all can see"
            continue
        after = own.episode.features[:, 1:][:, own.episode.counted]  # [B, T, N, F]
        yield name, float(gini(scale.lot_of(after).mean(1)).mean())


def _products(lived: Lived, traits: tuple[str, ...]) -> Floats:
    """Of what everyone did and their traits."""
    did = [_did(society, own.episode) for society, own in lived.each]
    prospects = torch.stack([brought for _, brought in did]).mean(0)
    known = torch.cat([*(amount for amount, _ in did), prospects, _public(lived)], -1)
    values = [lived.people.trait(name) for name in traits]
    told = torch.stack(values, -1) if values else known[..., :0]
    decided = ~known.isnan().any(-1)  # [B, N]
    return products(known[decided].double().numpy(), told[decided].double().numpy())


def _did(society: Society, episode: Episode) -> tuple[Tensor, Tensor]:
    """[B, N, 1] the mean amount that everyone chose, and [B, N, D] the mean prospects of it; NaN for those who decided
    nothing.
    """
    steps: list[int] = episode.counted.nonzero()[:, 0].tolist()
    made = (episode.action[:, episode.counted] >= 0)[..., None]  # [B, T, N, 1]
    action = episode.action[:, episode.counted].clamp_min(0)  # [B, T, N]
    told = list[Tensor]()
    for place, t in enumerate(steps):
        brought = society.prospects(episode.features[:, t], episode.mechanism[:, t])  # [B, N, K, D]
        own = action[:, place, :, None, None].expand(*brought.shape[:2], 1, brought.shape[-1])
        told.append(brought.gather(2, own)[..., 0, :])
    amounts = scale_of(society).amounts()[action][..., None]
    amount, brought = (torch.where(made, x, torch.nan).nanmean(1) for x in (amounts, torch.stack(told, 1)))
    return amount, brought
