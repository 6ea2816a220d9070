"""People drawn from a population file, for B worlds at once and from counters only.

Everything about a person is a function of (run seed, the file's seed, episode, agent, what is drawn), so one episode
has the same roster whatever the batch. Tensors are made at once; names and biographies only when somebody asks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from learning.draws import Draws, child_seed
from personas.incomes import HOURS_PER_YEAR, standing
from personas.laws import attribute_at, census_at, trait_at
from personas.lives import DRAWS_PER_LIFE, Life, Words, life
from personas.people import REMEMBERED, People, Persona
from personas.schema import Choice, Correlation, FromTable, PopulationFile, TraitFromTable, is_public

Facts = Mapping[str, tuple[Tensor, tuple[str, ...]]]
"""name -> [B, N] everyone's numbers, and no words; or the places of everyone's word among these words"""

Mixing = Mapping[str, tuple[tuple[str, float], ...]]  # variable -> (independent score, weight), for correlated ones


@dataclass(frozen=True)
class Sampler:
    """Draws rosters of `population.size` people. `words`: which part of the word lists their lives are told in."""

    population: PopulationFile
    words: Words = "all"

    @property
    def size(self) -> int:
        return self.population.size

    def people(self, draws: Draws) -> People:
        """One roster per episode of `draws`. Public numeric attributes and all traits as float32 tensors."""
        keyed = self._keyed(draws)
        names = self.public_names
        public = [self._attribute(keyed, name) for name in names]
        traits = self._traits(keyed, self._communities(keyed), self._place(keyed))
        values = _stack(list(traits.values()), keyed, self.size)
        return People(names, _stack(public, keyed, self.size), tuple(traits), values, self._personas(keyed, values))

    @cached_property
    def public_names(self) -> tuple[str, ...]:
        """The public attributes that are numbers, in the file's order."""
        laws = self.population.attributes
        return tuple(n for n, law in laws.items() if is_public(n, law.public) and not self._words_of(n))

    def other_facts(self, draws: Draws) -> Facts:
        """What the file says of everyone besides public numbers and traits."""
        keyed, names = self._keyed(draws), [n for n in self.population.attributes if n not in self.public_names]
        return {name: (self._attribute(keyed, name), self._words_of(name)) for name in names}

    @cached_property
    def _mixing(self) -> Mixing:
        return mixing(self.population.correlations)

    def _scores(self, draws: Draws, name: str) -> Tensor:
        """Standard normal scores of a variable, float64 [B, N], correlated as the file says.

        Vector and scalar code round the last bit differently, so a value could depend on its place in the batch.
        Working in float64 and rounding to float32 at the end takes that away.
        """
        parts = self._mixing.get(name, ((name, 1.0),))
        first, *others = (weight * draws.normal(f"person {part}", 0, self.size).double() for part, weight in parts)
        return sum(others, first)

    def _attribute(self, draws: Draws, name: str) -> Tensor:  # float64 [B, N]
        law = self.population.attributes[name]
        return self._listed(draws, name) if isinstance(law, FromTable) else attribute_at(law, self._scores(draws, name))

    def _listed(self, draws: Draws, name: str) -> Tensor:
        """What the table says of everyone, float64 [B, N]: all of one person's facts come from one row."""
        steps = torch.tensor(self.population.census.shares, dtype=torch.float64, device=draws.episodes.device).cumsum(0)
        row = torch.searchsorted(steps / steps[-1], draws.uniform("table row", 0, self.size).double(), right=True)
        return census_at(self.population.census.columns[name], row, self._scores(draws, name))

    def community_draws(self, draws: Draws) -> dict[str, Tensor]:
        """The hidden community draws of the rosters that `people` gives for the same draws, [B, 1] each."""
        return self._communities(self._keyed(draws))

    def traits_given(self, draws: Draws, place: Tensor, communities: Mapping[str, Tensor] | None = None) -> Tensor:
        """Fresh traits [B, N, Z] of people whose incomes stand at `place` (see `incomes.standing`), which broadcasts
        to [B, N]; of fresh communities, or of those given. For exact observers in tests and claims. ValueError: traits
        of the table go with the other facts of their rows, not with the income alone.
        """
        if any(isinstance(law, TraitFromTable) for law in self.population.traits.values()):
            raise ValueError(f"the population {self.population.name!r} draws traits from its table")
        keyed = self._keyed(draws)
        found = self._traits(keyed, communities or self._communities(keyed), place)
        return _stack(list(found.values()), keyed, self.size)

    def _keyed(self, draws: Draws) -> Draws:
        return Draws(child_seed(draws.seed, f"population {self.population.seed}"), draws.episodes)

    def _communities(self, keyed: Draws) -> dict[str, Tensor]:
        return {name: keyed.normal(f"community {name}", 0, 1).double() for name in self.population.communities}

    def _place(self, keyed: Draws) -> Tensor | None:
        """Where everyone's income stands among all incomes, [B, N]; None where nobody has a wage."""
        declared = "wage" in self.population.attributes
        return standing(self._attribute(keyed, "wage") * HOURS_PER_YEAR) if declared else None

    def _traits(self, draws: Draws, communities: Mapping[str, Tensor], place: Tensor | None) -> dict[str, Tensor]:
        return {
            name: self._listed(draws, name)
            if isinstance(law, TraitFromTable)
            else trait_at(name, law, self._scores(draws, name), communities, place)
            for name, law in self.population.traits.items()
        }

    def _personas(self, draws: Draws, traits: Tensor) -> Callable[[int, int], Persona]:
        @lru_cache(maxsize=max(64, REMEMBERED // self.size))
        def roster(world: int) -> list[Persona]:
            one_world = Draws(draws.seed, draws.episodes[world : world + 1])
            return self._roster(one_world, traits[world].tolist())

        return lambda world, agent: roster(world)[agent]

    def _roster(self, one_world: Draws, traits: list[list[float]]) -> list[Persona]:
        spec, episode = self.population, int(one_world.episodes)
        marked = frozenset(name for name, law in spec.attributes.items() if is_public(name, law.public))
        return [
            Persona(
                id=f"{spec.name}-{episode}-{agent + 1:02d}",
                name=told.name,
                biography=told.biography,
                attributes=told.attributes,
                public=marked,
                traits=dict(zip(spec.traits, traits[agent], strict=True)),
                drawn=one_world.seed,
            )
            for agent, told in enumerate(self._lives(one_world))
        ]

    def _lives(self, one_world: Draws) -> list[Life]:
        chances = one_world.uniform("lives", 0, self.size, DRAWS_PER_LIFE)[0].tolist()  # [N, DRAWS_PER_LIFE]
        declared = {name: self._attribute(one_world, name)[0].float().tolist() for name in self.population.attributes}
        return [
            life(chances[agent], {name: self._told(name, row[agent]) for name, row in declared.items()}, self.words)
            for agent in range(self.size)
        ]

    def _told(self, name: str, value: float) -> float | str:
        words = self._words_of(name)
        return words[int(value)] if words else value

    def _words_of(self, name: str) -> tuple[str, ...]:
        """The words among which an attribute is drawn; none if it is a number."""
        law = self.population.attributes[name]
        if isinstance(law, FromTable):
            return self.population.census.columns[name].words
        return tuple(law.options) if isinstance(law, Choice) else ()


def correlation_matrix(correlations: list[Correlation]) -> tuple[list[str], np.ndarray]:
    """The variables named and their correlation matrix, 1 on the diagonal and 0 where nothing is said."""
    names = list(dict.fromkeys(name for pair in correlations for name in pair.between))
    matrix = np.eye(len(names))
    for pair in correlations:
        i, j = (names.index(name) for name in pair.between)
        matrix[i, j] = matrix[j, i] = pair.value
    return names, matrix


def mixing(correlations: list[Correlation]) -> Mixing:
    """Weights that turn independent scores into correlated ones (Cholesky). LinAlgError if not positive definite."""
    names, matrix = correlation_matrix(correlations)
    weights = np.linalg.cholesky(matrix)
    return {
        name: tuple((other, float(w)) for other, w in zip(names, row, strict=True) if w != 0.0)
        for name, row in zip(names, weights, strict=True)
    }


def _stack(columns: list[Tensor], draws: Draws, size: int) -> Tensor:
    if not columns:
        return torch.zeros(len(draws.episodes), size, 0, device=draws.episodes.device)
    return torch.stack(columns, dim=-1).float()  # [B, N, columns]
