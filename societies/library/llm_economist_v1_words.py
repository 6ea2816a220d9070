"""The LLM Economist society in words. `look` and these sentences carry the same numbers."""

from torch import Tensor

VIEW = ("income_at_40", "last_hours", "last_income", "last_tax", "last_lump_sum")  # [5] then one rate per bracket


def rules(brackets: tuple[float, ...]) -> str:
    """The system message of a town with those bracket floors in dollars."""
    return (
        "You live and work in a town with an income tax. All tax collected is shared out equally among everyone as a "
        "lump sum. In each period you choose how many hours a week to work: 0, 10, 20, and so on up to 100. Income "
        "grows in proportion to hours. You want as much income as possible after tax and lump sum, less what the "
        "effort costs you: 0.0005 times your hours to the power of 3.5. The tax takes a share of the part of your "
        f"income that lies in each bracket: {_spans(brackets)}. In each period you are told, in dollars: what 40 hours "
        "bring before tax; your hours, income, tax and lump sum in the last period; and the tax rates now, lowest "
        'bracket first. Answer with JSON only, in the form {"hours":40}.'
    )


def news(view: Tensor) -> str:
    """One agent's view [O] as the user message of this period."""
    income, hours, gross, owed, lump, *rates = (int(v) for v in view.tolist())
    return (
        f"You earn {income} at full time. Last period: {hours} hours, income {gross}, tax {owed}, lump sum {lump}. "
        f"Tax rates now, in percent: {' '.join(str(rate) for rate in rates)}."
    )


def _spans(brackets: tuple[float, ...]) -> str:
    tops = [f"to {top:.0f}" for top in brackets[1:]] + ["up"]
    return ", ".join(f"{floor:.0f} {top}" for floor, top in zip(brackets, tops, strict=True))
