"""A link from what people declare to what the world model infers of them: for editing people and for counterfactuals.

The world model knows people by what they did only. The link gives, for declared traits and public facts, the inferred
traits z with which the world model best predicts what people who declared that did: maximum likelihood through the
world model, which stays as it is. It is fitted on people already played, and judged on people it was not fitted on.
Neither the world model nor the principal can import it, and it is asked of nothing outside what was declared then.

Shapes: E episodes, T steps, N agents, K choices, D declared traits, V public covariates, X = D + V inputs, Z inferred
traits, S members of the ensemble.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.errors import UserError
from learning.nets import mlp
from personas.people import People, Persona
from personas.traits import midpoints
from societies.base import Episode, Society
from world_model.records import Records, personal, records

RIDGE = 0.1  # added to the diagonal of X'X where a link starts from


@dataclass(frozen=True)
class Form:
    """How z may depend on the inputs, and how long that is fitted; no steps: by least squares on what was inferred."""

    name: str
    products: bool  # of every two inputs, beside the inputs
    hidden: int  # units of a net on top; 0 = none
    steps: int


INFERRED = Form("least squares on the inferred traits", products=True, hidden=0, steps=0)
LINEAR = Form("linear", products=False, hidden=0, steps=400)
QUADRATIC = Form("quadratic", products=True, hidden=0, steps=400)
NET = Form("quadratic and a net", products=True, hidden=32, steps=800)
FORMS = (INFERRED, LINEAR, QUADRATIC, NET)


@dataclass(frozen=True)
class Played:
    """People already played: what they declared, and the public record of what they did."""

    names: tuple[str, ...]  # [D] of the traits that all of them declared
    traits: Tensor  # [E, N, D] as declared, in [0, 1]
    attribute_names: tuple[str, ...]
    attributes: Tensor  # [E, N, A] public ones in their own units
    worded: bool  # do values reach these people as words, in grades?
    data: Records
    levels: Tensor  # [K] the first number of the response that each choice makes

    @property
    def inputs(self) -> Tensor:
        """[E, N, X]"""
        return inputs(self.traits, self.data.covariates, self.names, self.worded)

    def people(self) -> Tensor:
        """[E, N] the number of everybody, from 0 on; whoever declares the same is taken for the same."""
        declared = torch.cat([self.traits, self.data.covariates], -1).flatten(0, 1)
        return torch.unique(declared, dim=0, return_inverse=True)[1].unflatten(0, self.traits.shape[:2])

    def folds(self, count: int, generator: torch.Generator) -> Tensor:
        """[E, N] in which of `count` parts everybody is."""
        who = self.people()
        return (torch.randperm(int(who.max()) + 1, generator=generator) % count)[who]


def played(society: Society, people: People, episode: Episode, worded: bool) -> Played:
    """The people [E] of a batch of episodes, and what they did there. ValueError: these are others."""
    data, levels = records(society, episode), society.respond(torch.arange(len(society.choice_names))[None])[0, :, 0]
    census = personal(society, society.census(people.public, people.attribute_names))
    if census.shape != data.covariates.shape or not torch.allclose(census, data.covariates, atol=1e-4):
        raise ValueError("the people are not those of the episodes: what is public of them differs")
    return Played(people.trait_names, people.traits, people.attribute_names, people.public, worded, data, levels)


def inputs(traits: Tensor, covariates: Tensor, names: tuple[str, ...], worded: bool) -> Tensor:
    """[..., D] as declared and [..., V] -> [..., X], about -1 to 1. What is told in words counts as what they tell."""
    told = midpoints(traits, names) if worded else traits
    return torch.cat([2 * told - 1, covariates / 2], -1)


class Link(nn.Module):
    """Inputs [..., X] -> inferred traits z [..., Z]."""

    def __init__(self, form: Form, inputs: int, traits: int, seed: int) -> None:
        super().__init__()
        self.products = form.products
        terms = 1 + inputs + form.products * (inputs * (inputs + 1)) // 2
        self.weights = nn.Parameter(torch.zeros(terms, traits))
        generator = torch.Generator().manual_seed(seed)
        sizes = [inputs, form.hidden, traits]
        self.net = mlp(sizes, nn.SiLU, out_gain=0.1, generator=generator) if form.hidden else None

    def forward(self, inputs: Tensor) -> Tensor:
        straight = self.terms(inputs) @ self.weights
        return straight if self.net is None else straight + self.net(inputs)

    def terms(self, inputs: Tensor) -> Tensor:
        """[..., X] -> [..., P]: one, the inputs, and their products."""
        parts = [torch.ones_like(inputs[..., :1]), inputs]
        if self.products:
            i, j = torch.triu_indices(inputs.shape[-1], inputs.shape[-1])
            parts.append(inputs[..., i] * inputs[..., j])
        return torch.cat(parts, -1)

    def start(self, inputs: Tensor, inferred: Tensor) -> None:
        """Least squares of what was inferred [M, Z] on inputs [M, X], with a ridge."""
        terms = self.terms(inputs).double()
        square = terms.T @ terms + RIDGE * torch.eye(terms.shape[1], dtype=torch.float64)
        self.weights.data.copy_(torch.linalg.solve(square, terms.T @ inferred.double()))


@dataclass(frozen=True)
class Score:
    """How well people are known, of whom the link saw nothing."""

    name: str
    loss: float  # nats a decision: how far the likelihood of their replies falls short of the replies' own
    error: float  # of the expected response: root mean square, in its own units (hours / 40)
    doubt: float  # how far the ensemble disagrees about it, likewise
    r2: tuple[float, ...]  # [Z] of the inferred traits


@dataclass(frozen=True)
class Reach:
    """The range of what people already played declared. Nothing is predicted outside of it."""

    names: tuple[str, ...]  # traits, then public attributes
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def named(self) -> dict[str, tuple[float, float]]:
        """name -> lowest and highest value"""
        return {name: (low, high) for name, low, high in zip(self.names, self.low, self.high, strict=True)}

    def check(self, person: Persona) -> None:
        """UserError naming the range, where what the person declares is outside of it."""
        for name, (low, high) in self.named.items():
            value = float(torch.tensor(float({**person.attributes, **person.traits}[name])))  # as tensors hold it
            if not low <= value <= high:
                raise UserError(
                    f"{name} {value:.6g} is outside what the people already played declared, {low:.4g} to {high:.4g}: "
                    "nothing is predicted there",
                    where=f"{person.id}: {name}",
                    fix="stay within that range, or name a run of more towns, in which people declare such values",
                )


def reach(of: Played) -> Reach:
    """Of each trait and public attribute by itself."""
    declared = torch.cat([of.traits, of.attributes], -1).flatten(0, 1).double()  # [E N, D + A]
    low, high = declared.amin(0).tolist(), declared.amax(0).tolist()
    return Reach((*of.names, *of.attribute_names), tuple(low), tuple(high))


@dataclass(frozen=True)
class Fitted:
    """A link, the same without one part of the people each, and how it and others did on people left out."""

    names: tuple[str, ...]  # [D] of the declared traits
    worded: bool  # do they reach people as words, in grades?
    link: Link
    without: tuple[Link, ...]  # one for each part that was left out
    form: Form
    scores: tuple[Score, ...]  # of every form
    beside: tuple[Score, ...]  # the same people known otherwise
    reach: Reach

    @property
    def links(self) -> tuple[Link, ...]:
        """The whole one first."""
        return (self.link, *self.without)

    @property
    def score(self) -> Score:
        """Of the form that was chosen."""
        return next(score for score in self.scores if score.name == self.form.name)

    @property
    def stretch(self) -> float:
        """By how much the ensemble's disagreement is multiplied, so that it is as large as the errors that people left
        out were predicted with; at least 1.
        """
        return max(1.0, self.score.error / max(self.score.doubt, 1e-9))


def jackknife(whole: Tensor, without: Sequence[Tensor]) -> Tensor:
    """Standard error of `whole` [...] from the same without one part of the people each (the grouped jackknife)."""
    if len(without) < 2:
        return torch.zeros_like(whole)
    found = torch.stack(list(without))
    return ((len(found) - 1) * found.var(0, unbiased=False)).sqrt()
