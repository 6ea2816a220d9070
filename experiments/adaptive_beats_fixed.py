"""Claim: with at most 200 real episodes, a principal that adapts to its people beats the best schedule that does not.

On scripted people. The best fixed schedule and the unlimited twin (the same network trained by back-propagation
through the true society) come from `solon headroom income_tax`; both knew the true society, ours did not.
"""

from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from agents.base import Population
from agents.embedded.engine import EmbeddedEngine
from agents.llm.journal import Journal
from agents.llm.population import LanguagePopulation
from agents.scripted import ScriptedPopulation
from experiments.claims import Json, Outcome, workplace
from experiments.errors import ROOT, UserError
from experiments.ladder import HELD_OUT_SEED
from experiments.quoted import best_fixed_rates, result
from experiments.stages import JSON, TENSORS, Stages, stages_of
from experiments.statistics import Interval, crossed_interval
from experiments.strangers import Misled
from learning.draws import child_seed
from mechanism.evaluate import welfare
from mechanism.improve import ImproveSettings
from mechanism.search import SearchSettings
from mechanism.swm_ap import SWMSettings, swm_ap
from personas.rosters import open_rosters
from societies.catalog import load
from societies.play import Fixed
from societies.stage import Stage
from world_model.fit import FitSettings, quiet

BAR_SHARE = 0.6


@dataclass(frozen=True)
class Scale:
    """How large the run is."""

    seeds: int = 10
    held_out: int = 400
    embedded_held_out: int = 50
    embedded_seeds: int = 1
    settings: SWMSettings = field(
        default_factory=lambda: SWMSettings(
            first_episodes=180,
            check_episodes=10,
            optimizer="backprop",
            tracker_worlds=1000,
            base_search=SearchSettings(generations=12),
            fit=FitSettings(steps=2500, tracker_steps=1500),
            improve=ImproveSettings(iterations=400, worlds=60),
        )
    )


def _small() -> Scale:
    settings = SWMSettings(
        first_episodes=3,
        check_episodes=1,
        optimizer="backprop",
        tracker_worlds=10,
        base_worlds=5,
        base_search=SearchSettings(generations=1),
        fit=FitSettings(steps=3, tracker_steps=3),
        improve=ImproveSettings(iterations=2, worlds=5),
    )
    return Scale(2, 6, 3, 1, settings)


def claim(smoke: bool) -> Outcome:
    """Ten seeds on scripted people, then sign and shuffle on the embedded population."""
    scale = _small() if smoke else Scale()
    folder = workplace("adaptive_beats_fixed", smoke)
    stages = stages_of(asdict(scale), folder)
    scripted = _found(ScriptedPopulation(), "scripted", scale.seeds, scale.held_out, scale, stages)
    with Journal(folder / "journal.sqlite") as journal:
        people = LanguagePopulation(EmbeddedEngine(), journal, purpose="adaptive_beats_fixed")
        embedded = _found(people, "embedded", scale.embedded_seeds, scale.embedded_held_out, scale, stages)
    share = scripted.gain.value / _twin_gain()
    return Outcome(
        claim="a principal that adapts to its people beats the best fixed schedule within 200 real episodes",
        passed=holds(scripted, share),
        figure=f"gain {scripted.gain.value:+.4f} ({scripted.gain.low:+.4f} to {scripted.gain.high:+.4f}), "
        f"{share:.0%} of the unlimited twin's; misled {scripted.misled.value:+.4f}",
        bar="gain clear of 0, share >= 60%, gone when misled",
        figures={
            "scripted": _plain(scripted),
            "embedded": _plain(embedded),
            "share_of_twin": share,
            "twin_gain": _twin_gain(),
            "real_episodes": scale.settings.first_episodes + 2 * scale.settings.check_episodes,
        },
        seeds=tuple(range(scale.seeds)),
        smoke=smoke,
    )


@dataclass(frozen=True)
class Found:
    """Paired differences to the best fixed schedule, over seeds and communities."""

    gain: Interval
    misled: Interval  # the same policies, told of another roster's people
    by_seed: list[float]


def holds(found: Found, share: float) -> bool:
    """Is the gain clear of 0, enough of the twin's, and gone when the policy is misled?"""
    gone = found.misled.low <= 0 and found.misled.high < found.gain.low
    return found.gain.low > 0 and share >= BAR_SHARE and gone


def _found(people: Population, name: str, seeds: int, held_out: int, scale: Scale, stages: Stages) -> Found:
    judged = _stage(people, HELD_OUT_SEED)
    fixed = welfare(judged, Fixed(best_fixed_rates()), held_out)
    gains, misled = list[np.ndarray](), list[np.ndarray]()
    for seed in range(seeds):
        row = stages.get(f"{name}-{seed}", JSON, lambda s=seed: _one(people, name, s, held_out, scale, stages))
        gains.append(np.array(row["ours"]) - fixed.numpy())
        misled.append(np.array(row["misled"]) - fixed.numpy())
    by_seed = [float(g.mean()) for g in gains]
    return Found(crossed_interval(np.stack(gains)), crossed_interval(np.stack(misled)), by_seed)


def _one(
    people: Population, name: str, seed: int, held_out: int, scale: Scale, stages: Stages
) -> dict[str, list[float]]:
    """Welfare of one seed's policy on every held-out community, as it is and misled."""
    training = _stage(people, child_seed(seed, "adaptive_beats_fixed"))
    outcome = swm_ap(
        training, scale.settings, seed, quiet, lambda part, make: stages.get(f"{name}-{seed}-{part}", TENSORS, make)
    )
    judged = _stage(people, HELD_OUT_SEED)
    with torch.no_grad():
        ours = welfare(judged, outcome.learned, held_out)
        misled = welfare(judged, Misled(outcome.learned), held_out)
    return {"ours": ours.tolist(), "misled": misled.tolist()}


def _stage(people: Population, seed: int) -> Stage:
    society = load("income_tax")
    return Stage(society, people, open_rosters(ROOT / "personas/populations/communities.yaml", society.agents), seed)


def _twin_gain() -> float:
    found = result("headroom_income_tax")
    if found is None or "twin_gain" not in found["figures"]:
        raise UserError("the unlimited twin is not known yet", fix="run `solon headroom income_tax`")
    return float(found["figures"]["twin_gain"])


def _plain(found: Found) -> dict[str, Json]:
    return {
        "gain": list(asdict(found.gain).values()),
        "misled": list(asdict(found.misled).values()),
        "by_seed": [float(v) for v in found.by_seed],
    }
