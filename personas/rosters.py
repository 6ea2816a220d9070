"""Where the people of a run come from: a folder of persons (a village) or a population file to sample."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from learning.draws import Draws
from personas.lives import Words
from personas.load import PersonaFileError, Problem, load_folder, load_population, persona_paths
from personas.people import People, Persona
from personas.sample import Sampler
from personas.schema import MOST


class Rosters(Protocol):
    """Gives every episode its roster; the same episode has the same roster whatever the batch."""

    @property
    def size(self) -> int: ...

    def people(self, draws: Draws) -> People: ...


@dataclass(frozen=True)
class Village:
    """Rosters of `size` different residents. All of them, in their order, when there are no more than that."""

    residents: tuple[Persona, ...]
    size: int

    def people(self, draws: Draws) -> People:
        """One roster per episode of `draws`; tensors hold what every resident declares."""
        who = self._who(draws)  # [B, N] places in residents
        attributes, traits = shared_numbers(self.residents), shared_traits(self.residents)
        public = torch.tensor([[float(p.attributes[name]) for name in attributes] for p in self.residents])
        values = torch.tensor([[p.traits[name] for name in traits] for p in self.residents])
        places, device = who.tolist(), draws.episodes.device
        return People(
            attributes,
            public.to(device)[who],
            traits,
            values.to(device)[who],
            lambda world, agent: self.residents[places[world][agent]],
        )

    def _who(self, draws: Draws) -> Tensor:
        count = len(self.residents)
        if self.size == count:
            return torch.arange(count, device=draws.episodes.device).expand(len(draws.episodes), count)
        return draws.uniform("resident", 0, count).argsort(-1)[:, : self.size]


def shared_numbers(residents: Iterable[Persona]) -> tuple[str, ...]:
    """The public numeric attributes that everyone declares."""
    declared = [[n for n in p.attributes if n in p.public and not isinstance(p.attributes[n], str)] for p in residents]
    return tuple(name for name in declared[0] if all(name in names for names in declared))


def shared_traits(residents: Iterable[Persona]) -> tuple[str, ...]:
    """The traits that everyone declares."""
    declared = [list(p.traits) for p in residents]
    return tuple(name for name in declared[0] if all(name in names for names in declared))


def open_rosters(
    path: Path,
    size: int | None = None,
    words: Words = "all",
    attributes: tuple[str, ...] = (),
    traits: tuple[str, ...] = (),
) -> Sampler | Village:
    """The people at `path`: a folder of persons or a population file.

    `size`: people per roster (default: the whole folder, or what the population file says). `attributes`, `traits`:
    what the society needs to be public numbers and declared traits. `words`: see `personas.lives`, for samplers.
    Raises PersonaFileError.
    """
    if path.is_dir() or not path.suffix:
        return _open_village(path, size, attributes, traits)
    population = load_population(path)
    if size is not None and not 1 <= size <= MOST:
        raise PersonaFileError([Problem(path, None, "", f"a roster of {size} was asked for; give 1 to {MOST}")])
    sampler = Sampler(population if size is None else population.model_copy(update={"size": size}), words)
    missing = _missing(attributes, sampler.public_names, traits, population.traits)
    if missing:
        raise PersonaFileError([Problem(path, None, "", f"the society needs {what}; add it") for what in missing])
    return sampler


def _open_village(folder: Path, size: int | None, attributes: tuple[str, ...], traits: tuple[str, ...]) -> Village:
    residents = tuple(load_folder(folder))
    size = len(residents) if size is None else size
    if not 1 <= size <= len(residents):
        message = f"a roster of {size} was asked for; as many people as live here can be in it: 1 to {len(residents)}"
        raise PersonaFileError([Problem(folder, None, "", message)])
    problems = [
        Problem(path, None, "", _unmet(persona, what, path))
        for path, persona in zip(persona_paths(folder), residents, strict=True)
        for what in lacking(persona, attributes, traits)
    ]
    if problems:
        raise PersonaFileError(problems)
    return Village(residents, size)


def _unmet(persona: Persona, what: str, path: Path) -> str:
    told = f"the society needs {what} of everyone; {persona.name} does not declare it"
    return f"{told}; write it there, or give it by: solon personas edit {path} --set NAME=VALUE"


def lacking(persona: Persona, attributes: Iterable[str], traits: Iterable[str]) -> list[str]:
    """What a society needs and this person does not declare, in words."""
    return _missing(attributes, shared_numbers([persona]), traits, persona.traits)


def _missing(
    attributes: Iterable[str], numbers: Iterable[str], traits: Iterable[str], declared: Iterable[str]
) -> list[str]:
    """What a society needs and people do not have, in words."""
    needed = [(f"the public number {name!r}", name, numbers) for name in attributes]
    needed += [(f"the trait {name!r}", name, declared) for name in traits]
    return [words for words, name, have in needed if name not in have]
