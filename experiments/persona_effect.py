"""`solon personas effect`: what an edit of one trait does to a person's decisions, among the people of a run.

First by prediction, for which nobody is asked: the link says what the world model would infer of the person at both
values, and the world model what such a person chooses. Then, where calls are allowed, the run's own people answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from agents.base import Population
from experiments.cast import Cast, cast_of, society_of
from experiments.config import Config, load_config, smoke_notes
from experiments.counterfactual import Standing
from experiments.edit_effects import Asked, Edit, Moves, Place, actual, predicted
from experiments.errors import UserError
from experiments.link_fit import fitted, kept
from experiments.live import Live
from experiments.named_rules import LEARNED, in_place, rules_named
from experiments.persona_link import FORMS, Fitted, Played, played, reach
from experiments.rl_people import taught_rules
from experiments.runs import Run, find_run, open_run
from experiments.states_of_runs import learned_by, market_of, state_of
from experiments.what_if import asked_of, calls_of
from learning.draws import Draws, child_seed
from mechanism.swm_ap import Outcome
from personas.rosters import lacking, open_rosters
from personas.words import trait_sentence
from societies.labour import LabourMarket
from world_model.model import WorldModel

LINK = "the link, once for this run"
RULES = ("us_federal", "flat_50", LEARNED)


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    edit: Edit
    run: str
    calls: int | None = None  # None = nobody is asked
    rules: tuple[str, ...] = RULES
    after: str = LEARNED  # under whose rules the towns came to their state
    years: int | None = None  # counted ones that they had lived then; None = half of them
    budget_calls: int | None = None


@dataclass(frozen=True)
class Row:
    """Under one set of rules."""

    rules: str
    predicted: Moves
    asked: Asked | None


@dataclass(frozen=True)
class Effect:
    """What was found."""

    rows: tuple[Row, ...]
    told: tuple[str, str]  # how the trait reads at both values
    link: Fitted
    people: int  # already played, that the link was fitted on
    towns: int
    state: str
    fresh: int | None  # calls that the model was sent; None = nobody was asked, or by no model
    models: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Scene:
    """A finished run, and the towns in which the person sits down."""

    config: Config
    run: Run
    model: WorldModel
    link: Fitted
    people: int
    places: dict[str, Place]  # by the names of the rules
    state: str


def effect(wanted: Wanted) -> Effect:
    """UserError for what cannot be, before anybody is asked; BudgetSpent, PopulationStopped: what was answered before
    is in the run's journal.
    """
    folder = find_run(wanted.run)
    config = load_config(folder / "config.yaml")
    torch.set_num_threads(config.threads)
    market = market_of(config, society_of(config))
    with open_run(config, folder.parent) as run:
        scene = _scene(wanted, config, market, run)
        told = {name: predicted(scene.model, scene.link, wanted.edit, at) for name, at in scene.places.items()}
        if wanted.calls is not None:
            return _with_answers(wanted, scene, told)
        return _found(wanted, scene, [Row(name, moves, None) for name, moves in told.items()])


def _with_answers(wanted: Wanted, scene: _Scene, told: Mapping[str, Moves]) -> Effect:
    """Asks the run's people under each set of rules."""
    config, run = asked_of(scene.config, None, wanted.budget_calls), scene.run
    title, plan = f"solon personas effect {wanted.edit.person.id}", tuple(map(_stage, scene.places))
    with (
        Live(title, plan, config.budget.calls, config.budget.tokens) as live,
        cast_of(config, run, live) as cast,
    ):
        before = calls_of(run)
        rows = [Row(name, told[name], _asked(wanted.edit, name, at, cast, live)) for name, at in scene.places.items()]
        fresh = calls_of(run) - before if cast.models else None
        found = _found(wanted, scene, rows)
        return replace(found, fresh=fresh, models=cast.models, notes=(*found.notes, *cast.notes()))


def _stage(rules: str) -> str:
    return f"asking: {rules}"


def _asked(edit: Edit, rules: str, place: Place, cast: Cast, live: Live) -> Asked:
    """Each end under a purpose of its own, so that the ledger can tell them apart."""
    who = f"effect: {edit.person.id}, {edit.trait}"
    before, after = (cast.people(f"{who} {value:g}, {rules}") for value in (edit.low, edit.high))
    with live.stage(_stage(rules), 2 * place.at.people.worlds):
        return actual(before, after, edit, place)


def _found(wanted: Wanted, scene: _Scene, rows: Sequence[Row]) -> Effect:
    edit, worded = wanted.edit, scene.link.worded
    before, after = (trait_sentence(person, edit.trait) if worded else "" for person in edit.ends)
    towns = next(iter(scene.places.values())).at.people.worlds
    return Effect(
        tuple(rows), (before, after), scene.link, scene.people, towns, scene.state, None, (), smoke_notes(scene.config)
    )


def _scene(wanted: Wanted, config: Config, market: LabourMarket, run: Run) -> _Scene:
    society = society_of(config)
    outcome = learned_by(run, config, society)
    rosters = open_rosters(run.people, society.agents, "all", society.attributes_used, society.traits_used)
    ids = outcome.episodes.ids
    people = rosters.people(Draws(child_seed(config.seed, "training"), ids))
    of = played(society, people, outcome.episodes, worded=config.population.kind == "llm")
    _check(wanted.edit, of)
    state = state_of(run, config, Cast(society, rosters, _nobody), wanted.after, wanted.years)
    at = _few(state.at, wanted.calls, len(wanted.rules))
    taught = taught_rules(run, society)
    principals = {name: rules_named(name, society, outcome, config.seed, taught, "--rules") for name in wanted.rules}
    rules = {name: in_place(principal, state.at)[: at.people.worlds] for name, principal in principals.items()}
    places = {name: Place(at, market, each) for name, each in rules.items()}
    link = _link(wanted, config, run, outcome, of)
    return _Scene(config, run, outcome.model, link, int(of.people().max()) + 1, places, state.words)


def _link(wanted: Wanted, config: Config, run: Run, outcome: Outcome, of: Played) -> Fitted:
    """Fitted once for a run, which keeps it."""
    weight, seed = config.method.settings.fit.soft_weight, child_seed(config.seed, "persona link")

    def made() -> Fitted:
        with Live(f"solon personas effect {wanted.edit.person.id}", (LINK,)) as live, live.stage(LINK):
            told = partial(_step, live)
            return fitted(outcome.model, of, weight, seed, FORMS, told)

    return kept(run.stages, "persona-link", made)


def _step(live: Live, what: str, done: int, of: int, value: float) -> None:
    """As `world_model.fit.Progress`."""
    live.step(what, done, of)


def _nobody(purpose: str) -> Population:
    raise UserError("nobody is asked for a prediction", where=purpose)


def _check(edit: Edit, of: Played) -> None:
    """UserError where the link cannot know the trait, or the person lacks what the people played have, or declares
    what none of them did.
    """
    if edit.trait not in of.names:
        raise UserError(
            f"the people of this run declared no {edit.trait}, so that nothing is known of what it does",
            where=f"--trait {edit.trait}",
            fix=f"name one of: {', '.join(of.names) or 'there are none'}",
        )
    missing = lacking(edit.ends[0], of.attribute_names, of.names)
    if missing:
        raise UserError(
            f"the people of this run have {missing[0]}; {edit.person.name} does not declare it",
            where=edit.person.id,
            fix="give it by: solon personas edit FILE --set NAME=VALUE",
        )
    for person in edit.ends:
        reach(of).check(person)


def _few(at: Standing, calls: int | None, rules: int) -> Standing:
    """The first towns, as many as so many calls pay for: two for each town and set of rules. UserError: for none."""
    if calls is None:
        return at
    towns = min(at.people.worlds, calls // (2 * rules))
    if towns < 1:
        raise UserError(
            f"{calls} calls do not pay for one town, which takes two under each of {rules} sets of rules",
            where="--calls",
            fix=f"give at least {2 * rules}",
        )
    return at.first(towns)
