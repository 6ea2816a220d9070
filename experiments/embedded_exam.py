"""The embedded model's examination: how near its answers are to those of the scripted people it was taught by.

Everything is held out: communities, names, trades, biographies (words="held_out") and tax schedules, among them
shapes that training never showed. A model is examined through its engine, by the words that real runs use.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from agents.base import Question
from agents.embedded.engine import EmbeddedEngine
from agents.scripted import ScriptedPopulation
from experiments.embedded_lessons import sampler
from experiments.embedded_people import Asked
from experiments.embedded_schedules import NEAR_BEST, TRAINING, UNSEEN, schedules
from experiments.embedded_situations import Played, Situations, play_communities
from learning.draws import child_seed, draws
from personas.people import Persona
from personas.traits import midpoints
from societies.base import Society
from societies.library.income_tax import LEVELS, IncomeTax
from societies.play import Fixed, play
from societies.taxes import US_RATES

TRAITS = IncomeTax.traits_used
HOURS = torch.tensor(LEVELS, dtype=torch.float32)
LOOPS = {"us": US_RATES, "flat_50": (0.5,) * 7, "near_best": NEAR_BEST}
HELD_OUT = 900_001  # the seed of everything here


@dataclass(frozen=True)
class Sample:
    """Decisions of held-out people: who they are, what they face."""

    personas: list[Persona]  # M
    traits: Tensor  # [M, Z] in the order of TRAITS
    situations: Situations  # [M]
    world: Tensor  # [M] the community of each

    def take(self, rows: Tensor) -> "Sample":
        chosen = [self.personas[int(i)] for i in rows]
        return Sample(chosen, self.traits[rows], self.situations.take(rows), self.world[rows])

    def questions(self, society: IncomeTax) -> list[Question]:
        views = self.situations.views(society)
        return [society.tell(v, p) for v, p in zip(views, self.personas, strict=True)]

    def teacher(self, society: IncomeTax, grades: bool) -> Tensor:
        """The teacher's probabilities [M, K], of the traits as they are or at the middle of their grades."""
        told = midpoints(self.traits, TRAITS) if grades else self.traits
        return self.situations.teacher(society, told, TRAITS).exp()

    def edited(self, column: int, value: Tensor) -> "Sample":
        """The same with one trait set to `value` [M]."""
        traits = self.traits.clone()
        traits[:, column] = value
        new = [
            replace(p, traits={**p.traits, TRAITS[column]: float(v)}) for p, v in zip(self.personas, value, strict=True)
        ]
        return replace(self, personas=new, traits=traits)


def held_out(society: IncomeTax, communities: int, years: int) -> Sample:
    """Counted years of held-out communities, `years` of the ten for each person."""
    d = draws(child_seed(HELD_OUT, "communities"), 0, communities)
    paths = schedules(d, society.steps, society.warm_up, (*TRAINING, *UNSEEN))
    played = play_communities(society, sampler("communities", "held_out"), d, paths)
    count = communities * society.agents
    pick = draws(child_seed(HELD_OUT, "years"), 0, count).uniform("year", 0, society.years).topk(years, 1).indices
    rows = (torch.arange(count)[:, None] * played.years + society.warm_up + pick).flatten()
    return _sample(played, rows)


def _sample(played: Played, rows: Tensor) -> Sample:
    who = rows // played.years  # [M]
    everyone = [played.people.persona(*divmod(i, played.people.agents)) for i in range(int(who.max()) + 1)]
    traits = torch.stack([played.people.trait(name) for name in TRAITS], -1).flatten(0, 1)
    personas = [everyone[int(i)] for i in who]
    return Sample(personas, traits[who], played.situations.take(rows), who // played.people.agents)


def answers(engine: EmbeddedEngine, questions: Sequence[Question]) -> Tensor:
    """The model's probabilities [M, K]."""
    return torch.stack(engine.scores(questions)).exp()


def agreement(engine: EmbeddedEngine, society: IncomeTax, sample: Sample) -> dict[str, float]:
    """Distance to both teachers, with the standard error over communities."""
    given = answers(engine, sample.questions(society))
    graded, continuous = sample.teacher(society, grades=True), sample.teacher(society, grades=False)
    tv = total_variation(given, graded)
    by_world = torch.stack([tv[sample.world == w].mean() for w in sample.world.unique()])
    steps = (given.argmax(-1) - graded.argmax(-1)).abs()
    error = (given - graded) @ HOURS
    return {
        "communities": len(by_world),
        "decisions": len(tv),
        "tv_grade_teacher": _mean(tv),
        "tv_standard_error": float(by_world.std() / len(by_world) ** 0.5),
        "tv_90th_percentile": float(tv.quantile(0.9)),
        "tv_continuous_teacher": _mean(total_variation(given, continuous)),
        "tv_of_the_grades_alone": _mean(total_variation(graded, continuous)),
        "tv_of_the_average_answer": _mean(total_variation(graded.mean(0, keepdim=True), graded)),
        "argmax_within_one_step": _mean((steps <= 1).float()),
        "argmax_same": _mean((steps == 0).float()),
        "mean_hours_error": _mean(error.abs()),
        "mean_hours_bias": _mean(error),
    }


def edits(engine: EmbeddedEngine, society: IncomeTax, sample: Sample, column: int, at_most: int) -> dict[str, float]:
    """One trait from one end of its scale to the other, same person, same situation, where the teacher moves >= 1 h.

    Slope: of the model's shift of mean hours on the teacher's, through the origin.
    """
    ends = draws(child_seed(HELD_OUT, f"edit {TRAITS[column]}"), 0, len(sample.personas)).uniform("ends", 0, 2)
    low, high = sample.edited(column, ends[:, 0] / 7), sample.edited(column, 1 - ends[:, 1] / 7)  # grades 0 and 6
    wanted = (high.teacher(society, grades=True) - low.teacher(society, grades=True)) @ HOURS  # [M] hours
    rows = (wanted.abs() >= 1.0).nonzero()[:, 0]
    order = draws(child_seed(HELD_OUT, "edits"), 0, len(rows)).uniform(TRAITS[column], 0, 1)[:, 0].argsort()
    rows = rows[order[:at_most]]
    before, after = low.take(rows).questions(society), high.take(rows).questions(society)
    moved = (answers(engine, after) - answers(engine, before)) @ HOURS
    true = wanted[rows]
    return {
        "edits": len(rows),
        "sign_agreement": _mean((moved.sign() == true.sign()).float()),
        "slope": float((moved * true).sum() / (true * true).sum()),
        "correlation": float(torch.corrcoef(torch.stack([moved, true]))[0, 1]),
        "mean_shift_of_teacher": _mean(true.abs()),
    }


def closed_loop(engine: EmbeddedEngine, society: IncomeTax, rates: Sequence[float], worlds: int) -> dict[str, float]:
    """Ten counted years with the model's people and with scripted ones, same draws: relative differences of means."""
    d = draws(child_seed(HELD_OUT, "loop"), 0, worlds)
    people, principal = sampler("communities", "held_out").people(d), Fixed(torch.tensor(rates))
    found = dict[str, float]()
    episodes = [
        play(cast(Society, society), p, people, principal, d).episode for p in (Asked(engine), ScriptedPopulation())
    ]
    for name in ("hours", "equality", "productivity"):
        model, teacher = (e.accounts[name][:, e.counted] for e in episodes)  # [B, 10]
        found |= {name: float(model.mean()), f"{name}_teacher": float(teacher.mean())}
        found |= {f"{name}_off": float(model.mean() / teacher.mean() - 1)}
        found |= {f"{name}_off_last_year": float(model[:, -1].mean() / teacher[:, -1].mean() - 1)}
    both = torch.stack([e.returns() for e in episodes])
    return {**found, "welfare_correlation": float(torch.corrcoef(both)[0, 1])}


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Half the absolute difference of distributions, [M]."""
    return 0.5 * (p - q).abs().sum(-1)


def _mean(x: Tensor) -> float:
    return float(x.mean())
