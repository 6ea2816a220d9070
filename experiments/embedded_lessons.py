"""What the embedded model is taught: people in words, situations in words, and the teacher's exact answers.

A lesson is one person in S situations, half of them as communities really meet them. A share of the lessons comes in
pairs: one person twice, one trait low in the first and high in the second, in situations picked where that trait
moves the teacher. On the usual path three traits (habit, loss aversion, risk aversion) hardly show otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from agents.base import Question
from experiments.embedded_schedules import TRAINING, schedules
from experiments.embedded_situations import Played, Situations, play_communities, shaken
from experiments.errors import ROOT
from learning.draws import Draws, child_seed, draws
from personas.lives import Words
from personas.load import load_folder, load_population
from personas.people import Persona
from personas.sample import Sampler
from personas.traits import TRAITS, midpoints
from societies.library.income_tax import LEVELS, IncomeTax
from societies.library.income_tax_words import news

WEAK = ("risk_aversion", "loss_aversion", "habit")
STRANGE = "zq"  # a word that no vocabulary holds; it becomes <unk>
ELSEWHERE = ("roaming", "position", "strength")  # read in other societies: nobody in the tax lessons has them
UNREAD = tuple(name for name in TRAITS if name not in (*IncomeTax.traits_used, *ELSEWHERE))
COMMUNITIES = 12  # worlds of 32 people in a chunk: 256 people alone and 128 in pairs
SINGLES, PAIRS = 256, 128


@dataclass(frozen=True)
class Lessons:
    """P people in S situations each. The first 2 * pairs rows are pairs: rows 2 i and 2 i + 1 differ in one trait."""

    questions: list[list[Question]]  # [P][S]
    answers: Tensor  # [P, S, K] probabilities of the teacher on grade midpoints
    pairs: int


def sampler(name: str, words: Words, size: int | None = None) -> Sampler:
    """People of a population file of the repository, in words of one part of the word lists; `size` in a roster."""
    population = load_population(ROOT / "personas" / "populations" / f"{name}.yaml")
    return Sampler(population if size is None else population.model_copy(update={"size": size}), words)


@cache
def village() -> list[Persona]:
    """The hand-written people. Their biographies are told of people with other traits, so that they mean nothing."""
    return load_folder(ROOT / "personas" / "village")


def chunk(society: IncomeTax, seed: int, number: int, situations: int) -> Lessons:
    """The lessons of chunk `number`: 2 * PAIRS people in pairs, then SINGLES people alone."""
    key = child_seed(seed, f"chunk {number}")
    played = _communities(society, key)
    people = draws(child_seed(key, "people"), 0, COMMUNITIES * society.agents)
    order = people.uniform("order", 0, 1)[:, 0].argsort()  # [384]
    traits = _stretched(people, torch.cat([_read_traits(p) for p in played]))[order]
    rows = order[:, None] * society.steps + torch.arange(society.steps)  # [384, T]
    personas = [_person(played, int(i)) for i in order]
    dressed = [worn(p, personas, people, int(i)) for p, i in zip(personas, order, strict=True)]
    return _lessons(society, key, _joined(played), rows, traits, dressed, situations)


def _communities(society: IncomeTax, key: int) -> list[Played]:
    """Two thirds of the worlds are communities, one third has every trait anywhere."""
    both = list[Played]()
    for name, worlds in (("communities", COMMUNITIES * 2 // 3), ("broad", COMMUNITIES // 3)):
        d = draws(child_seed(key, name), 0, worlds)
        paths = schedules(d, society.steps, society.warm_up, TRAINING)
        both.append(play_communities(society, sampler(name, "train"), d, paths))
    return both


def _joined(played: list[Played]) -> Situations:
    return Situations(*(torch.cat([getattr(p.situations, f) for p in played]) for f in ("features", "mechanism")))


def _stretched(people: Draws, traits: Tensor) -> Tensor:
    """Traits [M, Z]; in half of the people some are redrawn, evenly or at an extreme."""
    u, kind = people.uniform("new traits", 0, traits.shape[1]), people.uniform("kind of trait", 0, traits.shape[1])
    new = torch.where(kind < 0.5, u, torch.where(u < 0.5, 0.3 * u, 1 - 0.3 * (1 - u)))
    redraw = (people.uniform("redraw", 0, traits.shape[1]) < 0.5) & (people.uniform("stretch", 0, 1) < 0.5)
    return torch.where(redraw, new, traits)


def _read_traits(played: Played) -> Tensor:
    """[B N, Z] in the society's order."""
    return torch.stack([played.people.trait(name) for name in IncomeTax.traits_used], -1).flatten(0, 1)


def _person(played: list[Played], index: int) -> Persona:
    for part in played:
        if index < part.people.worlds * part.people.agents:
            return part.people.persona(*divmod(index, part.people.agents))
        index -= part.people.worlds * part.people.agents
    raise IndexError("nobody has that number")


def _lessons(
    society: IncomeTax, key: int, pool: Situations, rows: Tensor, traits: Tensor, who: list[Persona], several: int
) -> Lessons:
    """Pairs from the first PAIRS people, single lessons from the rest."""
    names = IncomeTax.traits_used
    candidates = _candidates(society, key, pool, rows)
    low, high = _opposites(draws(child_seed(key, "pairs"), 0, PAIRS), traits[:PAIRS], names)
    told = torch.cat([torch.stack([low, high], 1).flatten(0, 1), traits[PAIRS:]])  # [P, Z]
    person = torch.cat([torch.arange(PAIRS).repeat_interleave(2), torch.arange(PAIRS, len(rows))])  # [P]
    answers = _answers(society, candidates, told, names, person, who)  # [P, 2 T, K]
    picked = _picked(draws(child_seed(key, "picked"), 0, len(rows)), answers, person, several)[person]  # [P, S]
    chosen = answers.gather(1, picked[..., None].expand(-1, -1, answers.shape[-1]))
    views = candidates.views(society).unflatten(0, (len(rows), -1))[person]  # [P, 2 T, O]
    views = views.gather(1, picked[..., None].expand(-1, -1, views.shape[-1]))
    personas = [_with(who[int(p)], names, told[i]) for i, p in enumerate(person)]
    return Lessons([_told(society, row, p) for row, p in zip(views, personas, strict=True)], chosen, PAIRS)


def _told(society: IncomeTax, views: Tensor, persona: Persona) -> list[Question]:
    """One person's views [S, O] in words; who you are is rendered once."""
    first = society.tell(views[0], persona)
    return [first, *(replace(first, user=news(view)) for view in views[1:])]


def _candidates(society: IncomeTax, key: int, pool: Situations, rows: Tensor) -> Situations:
    """For every person all years as lived, and the same years shaken; row p * 2 T + t."""
    own = pool.take(rows.flatten())
    changed = shaken(own, draws(child_seed(key, "shaken"), 0, rows.numel()), society)
    both = torch.arange(rows.numel()).reshape(rows.shape)
    index = torch.cat([both, both + rows.numel()], 1).flatten()
    parts = zip((own.features, own.mechanism), (changed.features, changed.mechanism), strict=True)
    return Situations(*(torch.cat(pair)[index] for pair in parts))


def _opposites(pairs: Draws, traits: Tensor, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Each person twice [M, Z]: one trait near its low end, and near its high end. Four in five times a weak one."""
    u = pairs.uniform("which", 0, 3)
    weak = torch.tensor([names.index(name) for name in WEAK])[(u[:, 1] * len(WEAK)).long()]
    which = torch.where(u[:, 0] < 0.8, weak, (u[:, 2] * len(names)).long())[:, None]  # [M, 1]
    ends = 0.3 * pairs.uniform("ends", 0, 2)
    return traits.scatter(1, which, ends[:, :1]), traits.scatter(1, which, 1 - ends[:, 1:])


def _answers(
    society: IncomeTax, candidates: Situations, told: Tensor, names: tuple[str, ...], person: Tensor, who: list[Persona]
) -> Tensor:
    """The teacher's probabilities [P, 2 T, K] for people with the midpoints of their grades."""
    several = len(candidates.features) // len(who)
    index = (person[:, None] * several + torch.arange(several)).flatten()
    middle = midpoints(told, names).repeat_interleave(several, 0)
    return candidates.take(index).teacher(society, middle, names).exp().unflatten(0, (len(person), several))


def _picked(people: Draws, answers: Tensor, person: Tensor, several: int) -> Tensor:
    """[M, S] candidates: evenly for people alone, by the trait's shift of mean hours for pairs (Gumbel top-S)."""
    means = answers @ torch.tensor(LEVELS, dtype=torch.float32)  # [P, 2 T] hours
    shift = (means[1 : 2 * PAIRS : 2] - means[: 2 * PAIRS : 2]).abs()  # [PAIRS, 2 T]
    weight = torch.ones(len(people.episodes), means.shape[1])
    weight[:PAIRS] = 0.15 + shift.clamp(max=5.0)
    gumbel = -(-people.uniform("pick", 0, means.shape[1]).log()).log()
    return (weight.log() + gumbel).topk(several, 1).indices


def _with(persona: Persona, names: tuple[str, ...], traits: Tensor) -> Persona:
    """The persona with these traits; words-only traits are kept."""
    return replace(persona, traits={**persona.traits, **dict(zip(names, traits.tolist(), strict=True))})


def worn(persona: Persona, others: Sequence[Persona], people: Draws, index: int) -> Persona:
    """The persona as users may write it: strange words, long or no biographies, traits that are words only."""
    u = iter(Draws(people.seed, people.episodes[index : index + 1]).uniform("worn", 0, 64)[0].tolist())
    biography = "" if next(u) < 0.08 else persona.biography
    for _ in range(int(next(u) < 0.2) + int(next(u) < 0.1)):
        biography += " " + others[int(next(u) * len(others))].biography
    if next(u) < 0.12:
        biography = village()[int(next(u) * len(village()))].biography
    chance = max(0.0, 1.2 * next(u) - 0.6)  # of a strange word; none in half of the lives
    biography = " ".join(STRANGE if next(u, 0.5) < chance else word for word in biography.split())
    name = " ".join(STRANGE if next(u, 0.5) < 0.1 else word for word in persona.name.split())
    extra = Draws(people.seed, people.episodes[index : index + 1]).uniform("extra", 0, 2 + 2 * len(UNREAD))[0]
    traits = dict(persona.traits)
    if extra[0] < 0.25:
        traits |= {n: float(extra[2 + 2 * i]) for i, n in enumerate(UNREAD) if extra[3 + 2 * i] < extra[1]}
    return replace(
        persona, name=name, biography=biography.strip(), attributes=_some(persona, float(extra[0])), traits=traits
    )


def _some(persona: Persona, u: float) -> dict[str, float | str]:
    """Attributes with age or trade missing, or a strange trade, now and then."""
    kept = dict(persona.attributes)
    if u > 0.97:
        kept.pop("age", None)
    if 0.94 < u < 0.98:
        kept.pop("occupation", None)
    elif 0.85 < u < 0.94:
        kept["occupation"] = STRANGE
    return kept
