"""What runs may cost, by the prices that their user gives."""

from collections.abc import Sequence
from pathlib import Path

from agents.llm.budget import Budget
from agents.llm.engine import Engine
from agents.llm.prices import Bill, Price, bill_for
from experiments.config import Config
from experiments.errors import ROOT, UserError
from experiments.files import read_json, write_json
from experiments.models import parts_of
from experiments.runs import Run

KEPT = "price.json"  # in a run folder


def bill_of(config: Config, engines: Sequence[Engine | None]) -> Bill | None:
    """What the run's models cost, by their names in its config; None where no prices are given. UserError: they cannot
    be read, or lack a model. engines: None = it is not started, and the journal would name it as the config does.
    """
    if config.budget.prices is None:
        return None
    try:
        pairs = zip(engines, parts_of(config), strict=True)
        named = [(engine.model if engine else part.model, part) for engine, part in pairs]
        paid = {kept: part.model for kept, part in named if not part.recorded}
        bill = bill_for(paid, prices_file(config.budget.prices))
        free = {kept: Price(input=0.0, output=0.0) for kept, part in named if part.recorded}
        return Bill({**free, **bill.prices}, bill.currency)
    except ValueError as error:
        raise UserError(
            str(error), where="budget.prices", fix="see docs/language-models.md, What a run costs"
        ) from None


def prices_file(given: str) -> Path:
    """As given from here, else from the repository."""
    return next((path for path in (Path(given), ROOT / given) if path.exists()), Path(given))


def run_budget(config: Config, run: Run, engines: Sequence[Engine]) -> Budget:
    """The run's limits. What its models cost is kept with the run, which is billed by that afterwards."""
    limits = config.budget
    if run.replay:
        return Budget(limits.calls, limits.tokens)
    bill = bill_of(config, engines)
    if bill is not None:
        prices = {model: price.model_dump() for model, price in bill.prices.items()}
        write_json(run.folder / KEPT, {"currency": bill.currency, "models": prices})
    return Budget(limits.calls, limits.tokens, limits.money, bill)


def kept_bill(place: Path) -> Bill | None:
    """What the models of a run cost, or of the run that a journal file lies in; None where it had no prices."""
    file = (place if place.is_dir() else place.parent) / KEPT
    if not file.is_file():
        return None
    kept = read_json(file)
    return Bill({model: Price(**price) for model, price in kept["models"].items()}, kept["currency"])
