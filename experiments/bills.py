"""What runs may cost, by the prices that their user gives."""

from collections.abc import Sequence
from pathlib import Path

from agents.llm.budget import Budget
from agents.llm.prices import Bill, bill_for
from experiments.config import Config
from experiments.errors import ROOT, UserError
from experiments.files import write_text
from experiments.runs import Run

KEPT = "prices.yaml"  # in a run folder


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
    """The run's limits. The prices are kept with the run, which is billed by them afterwards."""
    limits = config.budget
    if run.replay:
        return Budget(limits.calls, limits.tokens)
    bill = bill_of(config)
    if limits.prices is not None:
        write_text(run.folder / KEPT, prices_file(limits.prices).read_text(encoding="utf-8"))
    return Budget(limits.calls, limits.tokens, limits.money, bill)


def kept_bill(place: Path, models: Sequence[str]) -> Bill | None:
    """What the one model of a run cost; None where it had no prices, or several models."""
    file = place / KEPT
    return bill_for(models[0], file) if file.is_file() and len(set(models)) == 1 else None
