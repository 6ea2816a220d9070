"""`solon evaluate`: what other rules would do to the people of a run, from a few of their answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from agents.llm.reader import JournalReader
from experiments.answered import Figure, figures, of_everyone, plan_of, without
from experiments.cast import Cast, cast_of, society_of
from experiments.config import Config, load_config, smoke_notes
from experiments.counterfactual import Answers, ask, forecast, worth
from experiments.errors import UserError
from experiments.live import Live
from experiments.named_rules import LEARNED, in_place, rules_named
from experiments.prediction_powered import Ints, drawn
from experiments.rivals_asked import Compared, rivals
from experiments.rl_people import taught_rules
from experiments.runs import Run, find_run, open_run
from experiments.states_of_runs import Placed, arrived, learned_by, market_of, state_of
from experiments.years_ahead import years_ahead
from learning.draws import child_seed, draws
from societies.labour import LabourMarket
from societies.mechanisms import check

FEWEST = 30  # calls: below, too few pairs tell how sure an estimate is


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    mechanism: str
    run: str
    calls: int
    population: str | None = None  # llm, scripted or rl; None = the run's own
    after: str = LEARNED  # under whose rules people came to the state
    years: int | None = None  # counted ones that they had lived then; None = half of them
    newcomers: int | None = None  # towns of people of whom nothing was seen yet, instead
    ahead: int = 0  # years to be imagined
    rivals: bool = False
    seed: int = 0
    budget_calls: int | None = None

    @property
    def purpose(self) -> str:
        """Under which their answers are kept."""
        return f"what if: {self.mechanism}"


@dataclass(frozen=True)
class WhatIf:
    """What was found."""

    figures: list[Figure]
    alone: Mapping[str, float]  # by the world model alone
    ahead: Mapping[str, float]  # accounts over several years, by the world model alone
    rivals: list[Compared]
    people: int
    towns: int
    asked: int
    unusable: int
    fresh: int | None  # calls that the model was sent; None = no language model
    state: str
    models: tuple[str, ...]
    notes: tuple[str, ...]


def evaluate(wanted: Wanted) -> WhatIf:
    """Asks as few of the run's people as were wanted. UserError for what cannot be; BudgetSpent, PopulationStopped:
    what was answered before is in the run's journal.
    """
    if wanted.calls < FEWEST:
        fix = f"give at least {FEWEST}"
        raise UserError(f"{wanted.calls} calls are too few to tell how sure an estimate is", where="--calls", fix=fix)
    folder = find_run(wanted.run)
    config = load_config(folder / "config.yaml")
    torch.set_num_threads(config.threads)
    asked = asked_of(config, wanted.population, wanted.budget_calls)
    market, title = market_of(asked, society_of(asked)), f"solon evaluate {wanted.mechanism}"
    with (
        open_run(config, folder.parent) as run,
        Live(title, (wanted.purpose,), asked.budget.calls, asked.budget.tokens) as live,
        cast_of(asked, run, live) as cast,
        live.stage(wanted.purpose),
    ):
        return _answered(wanted, asked, market, run, cast)


def asked_of(config: Config, population: str | None, budget_calls: int | None) -> Config:
    """The run's config with the people and the budget that are wanted; None = the run's own. UserError."""
    who, budget = config.population, config.budget
    if population not in (None, who.kind):
        if population == "rl" or who.kind == "rl":
            raise UserError(
                f"this run's people are {who.kind}; there are none that are {population}",
                where="--population",
                fix="leave it out",
            )
        who = who.model_copy(update={"kind": population})
    if budget_calls is not None:
        budget = budget.model_copy(update={"calls": budget_calls})
    return config.model_copy(update={"population": who, "budget": budget})


def _answered(wanted: Wanted, config: Config, market: LabourMarket, run: Run, cast: Cast) -> WhatIf:
    outcome = learned_by(run, config, cast.society)
    state = _state(wanted, config, run, cast)
    at, model = state.at, outcome.model
    taught = taught_rules(run, cast.society)
    rules = in_place(rules_named(wanted.mechanism, cast.society, outcome, config.seed, taught), at)
    check(cast.society, at.step, rules, at.people.worlds)
    told = forecast(model, at, rules, draws(child_seed(config.seed, "what if"), 0, at.people.worlds))
    of = worth(market, at, rules)
    plan = plan_of(told, of, wanted.calls)
    who = drawn(plan, _lots(wanted, at.size))
    people, before = cast.people(wanted.purpose), calls_of(run)
    said = ask(people, at, rules, who)
    kept, left = without(plan, who, said.usable)

    def more(others: Ints) -> Answers:
        return ask(people, at, rules, others)

    beside = rivals(more, at, of, min(wanted.calls, at.size), wanted.seed) if wanted.rivals else []
    return WhatIf(
        figures=figures(said.chances[left], who[left], kept, told, of),
        alone=of_everyone(told.chances, of),
        ahead=years_ahead(model, at, rules, wanted.ahead) if wanted.ahead else {},
        rivals=beside,
        people=at.size,
        towns=at.people.worlds,
        asked=len(who),
        unusable=len(who) - len(left),
        fresh=calls_of(run) - before if cast.models else None,
        state=state.words,
        models=cast.models,
        notes=(*smoke_notes(config), *cast.notes()),
    )


def _state(wanted: Wanted, config: Config, run: Run, cast: Cast) -> Placed:
    """Where the people stand. UserError for what does not go together."""
    if wanted.newcomers is None:
        state = state_of(run, config, cast, wanted.after, wanted.years)
    elif wanted.mechanism == LEARNED:
        fix = "leave --newcomers out"
        raise UserError("learned rules follow from what people did, newcomers did nothing yet", where=LEARNED, fix=fix)
    else:
        state = arrived(config, cast, wanted.newcomers)
    left = cast.society.steps - state.at.step
    if not 0 <= wanted.ahead <= left:
        fix = f"give 0 to {left}"
        raise UserError(f"{wanted.ahead} years ahead: an episode ends after {left} more", where="--ahead", fix=fix)
    return state


def _lots(wanted: Wanted, people: int) -> np.ndarray:
    """[N] by which people are drawn: the same for the same command."""
    seed = child_seed(wanted.seed, f"what if {wanted.calls}")
    return draws(seed, 0, 1).uniform("sample", 0, people)[0].numpy()


def calls_of(run: Run) -> int:
    """In the run's journal; 0 where it has none."""
    if not run.journal.exists():
        return 0
    reader = JournalReader(run.journal)
    try:
        return reader.ledger().calls
    finally:
        reader.close()
