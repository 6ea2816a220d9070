"""The people of B worlds, as tensors for the societies and as personas for the language models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

REMEMBERED = 32_768  # people whose words are kept at hand, in about 60 MiB


@dataclass(frozen=True)
class Persona:
    """One person: what the language model may read (words) and what only the answer key may read (traits)."""

    id: str
    name: str
    biography: str
    attributes: Mapping[str, float | str]  # declared facts, e.g. age in years, wage in dollars per hour
    public: frozenset[str]  # the names of the attributes that anyone may see
    traits: Mapping[str, float]  # each in [0, 1]; private
    words: Mapping[str, str] = field(default_factory=dict[str, str])  # trait -> the author's own words for it
    drawn: int | None = field(default=None, compare=False)  # by which seed; None = of a file: the same in all draws


@dataclass(frozen=True)
class People:
    """One roster of N people per world. Public attributes and private traits are tensors; words come on demand."""

    attribute_names: tuple[str, ...]
    public: Tensor  # [B, N, A] public attributes in their own units
    trait_names: tuple[str, ...]
    traits: Tensor  # [B, N, Z] in [0, 1], private
    persona: Callable[[int, int], Persona]  # (world, agent) -> the persona in words

    @property
    def worlds(self) -> int:
        return self.public.shape[0]

    @property
    def agents(self) -> int:
        return self.public.shape[1]

    def attribute(self, name: str) -> Tensor:
        """A public attribute of everyone, [B, N]. KeyError if these people do not declare it."""
        return self.public[..., _place(name, self.attribute_names, "public attribute")]

    def trait(self, name: str) -> Tensor:
        """A private trait of everyone, [B, N]. KeyError if these people do not declare it."""
        return self.traits[..., _place(name, self.trait_names, "trait")]

    def with_traits(self, traits: Tensor) -> "People":
        """The same people with other trait values, [B, N, Z] (for grade midpoints and single-trait edits)."""
        if traits.shape != self.traits.shape:
            raise ValueError(f"traits have shape {tuple(traits.shape)}, these people need {tuple(self.traits.shape)}")
        return People(self.attribute_names, self.public, self.trait_names, traits, self._retold(traits))

    def _retold(self, traits: Tensor) -> Callable[[int, int], Persona]:
        """The same personas with the new values; an author's words for a trait that changed no longer hold."""

        def persona(world: int, agent: int) -> Persona:
            before = self.persona(world, agent)
            new = dict(zip(self.trait_names, traits[world, agent].tolist(), strict=True))
            same = (traits[world, agent] == self.traits[world, agent]).tolist()
            changed = {name for name, kept in zip(self.trait_names, same, strict=True) if not kept}
            words = {name: text for name, text in before.words.items() if name not in changed}
            return replace(before, traits={**before.traits, **new}, words=words)

        return persona


def _place(name: str, names: tuple[str, ...], kind: str) -> int:
    if name not in names:
        raise KeyError(f"these people declare no {kind} {name!r}; they declare: {', '.join(names) or 'none'}")
    return names.index(name)


def gather(personas: list[list[Persona]], attribute_names: tuple[str, ...], trait_names: tuple[str, ...]) -> People:
    """People made from explicit personas, one list per world; all lists of one length."""
    public = [[[float(p.attributes[a]) for a in attribute_names] for p in world] for world in personas]
    traits = [[[p.traits[t] for t in trait_names] for p in world] for world in personas]
    return People(
        attribute_names,
        torch.tensor(public),
        trait_names,
        torch.tensor(traits),
        lambda world, agent: personas[world][agent],
    )
