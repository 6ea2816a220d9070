"""What runs may cost, by the prices that their user gives."""

from pathlib import Path

from agents.llm.budget import Budget
from agents.llm.prices import Bill, Price, bill_for
from experiments.config import Config
from experiments.errors import ROOT, UserError
from experiments.files import read_json, write_json
from experiments.runs import Run

KEPT = "price.json"  # in a run folder


def bill_of(config: Config) -> Bill | None:
    """What the run's model costs; None where no prices are given. UserError: they cannot be read, or lack the model."""
    if config.budget.prices is None:
        return None
    try:
        return bill_for(config.population.model, prices_file(config.budget.prices))
    except ValueError as error:
        raise UserError(
            str(error), where="budget.prices", fix="see docs/language-models.md, What a run costs"
        ) from None


def prices_file(given: str) -> Path:
    """As given from here, else from the repository."""
    return next((path for path in (Path(given), ROOT / given) if path.exists()), Path(given))


def run_budget(config: Config, run: Run) -> Budget:
    """The run's limits. What its model costs is kept with the run, which is billed by that afterwards."""
    limits = config.budget
    if run.replay:
        return Budget(limits.calls, limits.tokens)
    bill = bill_of(config)
    if bill is not None:
        write_json(run.folder / KEPT, {"currency": bill.currency, **bill.price.model_dump()})
    return Budget(limits.calls, limits.tokens, limits.money, bill)


def kept_bill(place: Path) -> Bill | None:
    """What the model of a run cost, or of the run that a journal file lies in; None where it had no prices."""
    file = (place if place.is_dir() else place.parent) / KEPT
    if not file.is_file():
        return None
    kept = read_json(file)
    return Bill(Price(input=kept["input"], output=kept["output"]), kept["currency"])
