"""Claim: an edit of one trait does what is predicted of it: the way decisions move, and how far.

People are played under random rules; the world model is fitted to what they did, and the link to what they declared.
Other people, drawn from the same population, are then edited: one trait, from one value to another, both drawn evenly
from the range of the people played. Each edited person sits down in every one of some other towns, under one set of
rules. The shift of an edit is that of mean hours a week over the towns: as predicted without asking anybody, and as the
embedded model answers, whose whole distributions leave no noise of drawing.

An edit whose two values are told in the same words is none to a language model, and is not drawn. Every edit that is
drawn counts, however small its shift; a shift of exactly zero agrees in sign with zero only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

from agents.embedded.engine import EmbeddedEngine
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from experiments.claims import Json, Outcome, result_file, workplace
from experiments.coverage_cells import DEFAULT, MECHANISMS, World
from experiments.edit_figures import shifts
from experiments.edit_trials import Pair, pairs, people_of, trials
from experiments.figures import svg
from experiments.files import write_atomic
from experiments.link_fit import fitted, kept
from experiments.persona_link import FORMS, INFERRED, Fitted, Form, Score
from experiments.stages import JSON, stages_of
from experiments.statistics import Floats, correlation_interval
from learning.draws import child_seed
from mechanism.swm_ap import SWMSettings
from societies.labour import FULL_TIME
from world_model.fit import FitSettings

NAME = "edits_do_what_they_say"
SIGN, CORRELATION = 0.9, 0.8
SEED = 20_261_130
STATE = "after random rules"  # of the towns, in each of which the edited person sits down
RULES = (DEFAULT, *MECHANISMS)
FELT = 0.1  # h/week: signs of the edits that move people by this much are reported beside


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    episodes: int = 100  # real ones that the world model and the link are fitted to
    towns: int = 8  # in which everybody edited is asked
    edits: int = 200
    forms: tuple[Form, ...] = FORMS
    settings: SWMSettings = field(default_factory=lambda: SWMSettings(fit=FitSettings(steps=3000)))


SMOKE = Scale(4, 2, 12, (INFERRED,), SWMSettings(tracker_worlds=10, fit=FitSettings(steps=5, tracker_steps=5)))


def claim(smoke: bool) -> Outcome:
    """Play, fit, edit, ask, compare."""
    torch.set_num_threads(1)
    scale, folder = SMOKE if smoke else Scale(), workplace(NAME, smoke)
    found, link = measured(scale, SEED, folder)
    file = result_file(NAME, smoke).with_name(f"{NAME}.svg")
    write_atomic(file, lambda part: part.write_bytes(svg(shifts(found))))
    return verdict(found, link, scale, smoke)


def measured(scale: Scale, seed: int, folder: Path) -> tuple[list[Pair], Fitted]:
    """Every edit, and the link by which it was predicted. What is finished is kept in the folder."""
    stages = stages_of({"seed": seed, **asdict(scale)}, folder)
    with Journal(folder / "journal.sqlite") as journal:
        people = LanguagePopulation(EmbeddedEngine(), journal, purpose=NAME)
        world = World(people, seed, scale.towns, scale.episodes, scale.settings, stages)
        model, weight = world.model(), scale.settings.fit.soft_weight
        link_seed = child_seed(seed, "link")
        link = kept(stages, "link", lambda: fitted(model, people_of(world), weight, link_seed, scale.forms))
        tried = trials(world, link, RULES, scale.edits)
        found = stages.get("edits", JSON, lambda: pairs(world, model, link, STATE, tried))
    return [Pair(**each) for each in found], link


def verdict(found: Sequence[Pair], link: Fitted, scale: Scale, smoke: bool) -> Outcome:
    """Against the bars."""
    sign = float(np.mean([p.agrees for p in found]))
    together = correlation_interval([p.predicted for p in found], [p.actual for p in found])
    traits = {name: [p for p in found if p.trait == name] for name in link.names}
    milder = [p for p in found if p.trait != "preferred_hours"]
    figures: dict[str, Json] = {
        "edits": len(found),
        "all": summary(found),
        f"of {FELT} h/week or more": summary([p for p in found if abs(p.actual) >= FELT]),
        "without preferred_hours": summary(milder),
        "by_trait": {name: summary(own) for name, own in traits.items()},
        "by_rules": {name: summary([p for p in found if p.rules == name]) for name in RULES},
        "link": {"form": link.form.name, "held_out": [told(score) for score in (*link.scores, *link.beside)]},
        "episodes": scale.episodes,
        "towns": scale.towns,
        "calls": 2 * len(found) * scale.towns,
    }
    return Outcome(
        claim="over single-trait edits, decisions move as was predicted before anybody was asked",
        passed=sign >= SIGN and together.value >= CORRELATION,
        figure=f"{sign:.1%} of {len(found)} edits agree in sign; correlation {together.value:.3f} "
        f"({together.low:.3f} to {together.high:.3f})",
        bar=f"{SIGN:.0%}; {CORRELATION}",
        figures=figures,
        seeds=(SEED,),
        smoke=smoke,
    )


def summary(pairs: Sequence[Pair]) -> dict[str, Json]:
    """Of some edits."""
    if not pairs:
        return {"edits": 0}
    x, y = np.array([[p.predicted, p.actual] for p in pairs]).T
    agree = sum(p.agrees for p in pairs)
    interval = binomtest(agree, len(pairs)).proportion_ci(method="wilson")
    return {
        "edits": len(pairs),
        "sign_agreement": agree / len(pairs),
        "sign_agreement_interval": [float(interval.low), float(interval.high)],
        "correlation": _correlation(x, y),
        "slope": float((x * y).sum() / max((x * x).sum(), 1e-12)),  # of actual shifts on predicted ones, through 0
        "mean_error": float(np.abs(y - x).mean()),  # h/week
        "mean_shift": float(np.abs(y).mean()),  # h/week, which is the error of predicting that nobody moves
        "median_shift": float(np.median(np.abs(y))),
        "within_two_errors": float(np.mean([p.held for p in pairs])),
    }


def _correlation(x: Floats, y: Floats) -> Json:
    """With its 95% interval; None where there is none."""
    if len(x) < 3 or not (np.ptp(x) and np.ptp(y)):
        return None
    found = correlation_interval(x, y)
    return [found.value, found.low, found.high]


def told(score: Score) -> dict[str, Json]:
    """Of one way to know people, on people left out."""
    return {
        "name": score.name,
        "loss": score.loss,  # nats a decision
        "hours_error": FULL_TIME * score.error,  # h/week, root mean square
        "r2_of_inferred_traits": list(score.r2),
    }
