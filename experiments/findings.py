"""From a finished run to what its report shows."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Literal

import numpy as np
import torch

from agents.embedded.vocabulary import vocabulary
from agents.packages import OWN_KINDS, POPULATIONS, origin
from experiments.asking_findings import asked, ledger
from experiments.config import SMOKE, Config, dump_config
from experiments.config_people import PartConfig
from experiments.learning_findings import courses
from experiments.mixed_people import mixed_in, of_kind
from experiments.models import kind_of, parts_of
from experiments.pipeline import Evaluated, Finished
from experiments.quoted import SAVING, claim_about, quoted_curves, quoted_methods
from experiments.recovery import recovery
from experiments.report_data import (
    Curve,
    Gate,
    Method,
    Path,
    ReportData,
    Strange,
)
from experiments.runs import Run
from experiments.stages import JSON
from experiments.statistics import mean_interval, paired_interval
from experiments.tax_findings import has_market, market_of, responses, schedule
from experiments.town_findings import outings, places
from learning.draws import child_seed, draws
from mechanism.dreams import Dreams
from personas.inspect import edited_biographies, own_words, strangers
from personas.people import Persona
from personas.rosters import Village
from societies.base import Episode, Principal
from world_model.doubts import LEAST, Doubt, doubts
from world_model.records import records

REFERENCES = (
    "us_federal",
    "random",
    "uniform_phantom",
    "no_toll",
    "no_reward",
)  # what a society has where nobody has learned anything
LABELS = {
    "swm_ap": "SWM-AP",
    "us_federal": "US federal",
    "saez": "Saez",
    "best_fixed": "best fixed",
    "flat_50": "flat 50%",
    "random": "options at random",
    "k_median": "greedy k-median on homes",
    "planning": "planning in the learned model",
    "two_level": "two-level PPO",
    "median": "median",
    "uniform_phantom": "Uniform Phantom",
    "constrained_median": "constrained median",
    "mean": "mean",
    "midpoint": "midpoint",
    "best_percentile": "best percentile",
    "no_toll": "no tolls",
    "marginal_cost": "marginal-cost tolls",
    "no_reward": "no rewards",
}


def report_data(run: Run, finished: Finished) -> ReportData:
    """Everything the report of this run shows."""
    config, outcome = finished.config, finished.outcome
    language = config.population.kind == "llm"
    dreams = Dreams(
        finished.cast.stage(config.seed, "training", "imagination"),
        outcome.model,
        child_seed(config.seed, "report"),
        outcome.episodes.soft,
    )
    ours, society = finished.evaluated[0], finished.cast.society
    taxes = has_market(society)
    return ReportData(
        title=f"{config.name}: rules learned for {config.society.name}",
        society=config.society.name,
        objective=finished.cast.society.objective,
        population=_people(config),
        stand_in=stand_in(finished),
        reference=reference(finished),
        methods=(*methods(finished), *quoted(config)),
        curves=(_curve(finished), *quoted_curves(config)),
        brackets=np.array(market_of(society).brackets if taxes else ()),
        schedules=tuple(schedule(e.name, LABELS[e.name], e.episode) for e in finished.evaluated if taxes),
        responses=responses(dreams, outcome.episodes) if taxes else (),
        period="year" if taxes else "step",
        places=tuple(own for e in finished.evaluated for own in places(society, e.name, LABELS[e.name], e.episode)),
        outings=outings(dreams, outcome.episodes),
        doubts=_doubts(run, finished),
        paths=_paths(dreams, ours.episode, outcome.learned),
        gates=_gates(finished),
        courses=courses(run.metrics.points(), finished.cast.society),
        recovery=recovery(outcome.model, finished.cast.society, ours.episode, ours.sealed),
        asked=asked(run) if language else (),
        ledger=ledger(run, finished) if language else (),
        strangers=_strangers(finished),
        edited=edited_biographies(_residents(finished)),
        own_words=own_words(_residents(finished)),
        notes=tuple(_notes(run, finished)),
        config=dump_config(config),
        made=_made(run),
    )


def _notes(run: Run, finished: Finished) -> Iterator[str]:
    """What a reader must know before believing a figure."""
    if finished.config.name.endswith(SMOKE):
        yield "This was a smoke run: its figures mean nothing."
    rosters = finished.cast.rosters
    if isinstance(rosters, Village):
        yield (
            f"All communities, the held-out ones too, are made of the same {len(rosters.residents)} people of a "
            "village: the figures say how the rules do for them on other days, not for strangers."
        )
    yield from run.notes
    yield from finished.notes


def _people(config: Config) -> str:
    """Who they are, of every kind."""
    own = _of_one_kind(config)
    if not mixed_in(config):
        return own
    parts = ((share, _of_one_kind(of_kind(config, kind))) for kind, share in mixed_in(config).items())
    return f"{own}; but {' and '.join(f'{share:.0%} of them are {kind}' for share, kind in parts)}"


def _of_one_kind(config: Config) -> str:
    if config.population.kind == "scripted":
        return "scripted, each with the traits that were declared"
    if config.population.kind == "rl":
        return "RL agents, each told its own declared traits, who learned by PPO what pays for themselves"
    if config.population.kind not in OWN_KINDS:
        return f"{config.population.kind}, people of the package {origin(POPULATIONS, config.population.kind)}"
    asked = {"distribution": "the probability of every choice", "sample": "one choice"}[config.population.way]
    others = [_part(part) for part in config.population.others]
    models = f"the language model {config.population.model}" + "".join(f", {one}" for one in others)
    return f"{models}, asked for {asked}"


def _part(part: PartConfig) -> str:
    whom = ", ".join(part.people) if part.people else f"{part.share:.0%} of them"
    return f"{part.model} for {whom}"


def _reference(finished: Finished) -> Evaluated:
    return next((e for e in finished.evaluated if e.name in REFERENCES), finished.evaluated[-1])


def reference(finished: Finished) -> str:
    """The label of the method that gains are counted from."""
    return LABELS[_reference(finished).name]


def methods(finished: Finished) -> tuple[Method, ...]:
    """The headline rows that this run measured, ours first."""
    start = _reference(finished).episode.returns().numpy()
    rows = list[Method]()
    for e in finished.evaluated:
        returns = e.episode.returns().numpy()
        gain = paired_interval(returns, start)
        rows.append(Method(e.name, LABELS[e.name], mean_interval(returns), gain, e.decisions, len(returns)))
    return tuple(rows)


def _curve(finished: Finished) -> Curve:
    """Ours: from the default rules, which cost nothing, if they were played, to what this run's decisions reached."""
    ours, start = methods(finished)[0], [m for m in methods(finished) if m.name in REFERENCES]
    points = [(0.0, m.welfare) for m in start] + [(float(ours.counted), ours.welfare)]
    return Curve(
        ours.name,
        ours.label,
        np.array([spent for spent, _ in points]),
        np.array([p.value for _, p in points]),
        np.array([p.low for _, p in points]),
        np.array([p.high for _, p in points]),
        people=_who(finished),
    )


def _who(finished: Finished) -> str:
    """As the rows of the quoted table name their people; nobody's name where there are no such rows."""
    if stand_in(finished) == "all":
        return "embedded"
    config = finished.config
    return "scripted" if config.population.kind == "scripted" and not mixed_in(config) else "others"


def _doubts(run: Run, finished: Finished) -> tuple[Doubt, ...]:
    """Of a world model of kinds that was fitted to single actions, and to enough of them."""
    model, episodes, society = finished.outcome.model.settings, finished.outcome.episodes, finished.cast.society
    if model.latent != "kinds" or episodes.soft or len(episodes.ids) < LEAST:
        return ()
    seed, fit = child_seed(finished.config.seed, "doubts"), finished.config.method.settings.fit

    def tested() -> list[dict[str, str | float]]:
        return [asdict(doubt) for doubt in doubts(society, model, records(society, episodes), fit, seed)]

    return tuple(Doubt(**told) for told in run.stages.get("doubts", JSON, tested))


def _paths(dreams: Dreams, lived: Episode, principal: Principal) -> tuple[Path, ...]:
    with torch.no_grad():
        dreamt = dreams.dream(principal, 10**5, 20 * dreams.model.members).episode
    return (_path("lived", True, lived), _path("imagined", False, dreamt))


def _path(label: str, real: bool, episode: Episode) -> Path:
    yearly = episode.welfare[:, episode.counted].double().numpy()  # [B, Y]
    found = [mean_interval(year) for year in yearly.T]
    low, high = np.array([i.low for i in found]), np.array([i.high for i in found])
    return Path(label, real, np.array([i.value for i in found]), low, high)


def _gates(finished: Finished) -> tuple[Gate, ...]:
    per_episode = finished.cast.society.steps * finished.cast.society.agents
    checks = finished.outcome.checks
    return tuple(Gate(c.real_episodes * per_episode, c.dreamt_gain, c.real_gain) for c in checks)


def _strangers(finished: Finished) -> tuple[Strange, ...]:
    """People of the first training roster who are played by a small model that does not know their words."""
    if not stand_in(finished):
        return ()
    people = finished.cast.rosters.people(draws(child_seed(finished.config.seed, "training"), 0, 1))
    personas, kind = [people.persona(0, agent) for agent in range(people.agents)], kind_of(finished.config)
    models = [part.model for part in parts_of(finished.config)]
    known = {model: _vocabulary(model) for model in models if model.startswith("embedded")}
    told = [strangers(p, known[model]) for p in personas if (model := models[kind(p)]) in known]
    return tuple(Strange(one.id, one.unknown, one.in_biography) for one in told if one.unknown)


def _vocabulary(model: str) -> frozenset[str]:
    folder = model.partition(":")[2]
    return vocabulary(FilePath(folder)) if folder else vocabulary()


def quoted(config: Config) -> tuple[Method, ...]:
    """The lines of the headline table that are not of this run, where they are about the same people and society, and
    gains here are counted from the rules that theirs are counted from."""
    start = "us_federal" if claim_about(config) == SAVING else "random"
    return quoted_methods(config) if start in config.baselines else ()


def stand_in(finished: Finished) -> Literal["", "some", "all"]:
    """Whose decisions are made with the small model?"""
    small = [model.partition(":")[0] == "embedded" for model in finished.cast.models]
    return "" if not any(small) else "all" if all(small) and not mixed_in(finished.config) else "some"


def _residents(finished: Finished) -> tuple[Persona, ...]:
    """People who were written by hand and are played by the small model; sampled ones have nothing of their own."""
    rosters = finished.cast.rosters
    return rosters.residents if stand_in(finished) and isinstance(rosters, Village) else ()


def _made(run: Run) -> Mapping[str, str]:
    manifest = run.manifest()
    session = manifest["sessions"][-1]
    return {
        "commit": str(session["commit"]),
        "seed": str(manifest["seed"]),
        "hardware": str(session["hardware"]),
        "people": str(manifest["people"])[:16],
        **{f"roster of {split}": digest[:16] for split, digest in manifest["rosters"].items()},
    }
