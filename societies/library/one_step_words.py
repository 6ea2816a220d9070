"""The one-step economy in words. `look` and these sentences carry the same numbers."""

from torch import Tensor


def rules(brackets: tuple[float, ...], cost: float, power: float) -> str:
    """The system message; bracket floors in coins."""
    tops = [f"to {100 * top:.0f}" for top in brackets[1:]] + ["up"]
    spans = ", ".join(f"{100 * floor:.0f} {top}" for floor, top in zip(brackets, tops, strict=True))
    return (
        "You live and work in a town with an income tax. All tax collected is shared out equally among everyone as a "
        "lump sum. You choose once how many hours to work, from 0 to 100. Every hour brings the same pay. You want as "
        "much income as possible after tax and lump sum, less what the effort costs you: "
        f"{100 * cost:g} times your hours to the power of {power:g}. Money is counted in cents. The tax takes a share "
        f"of the part of your income that lies in each bracket: {spans}. You are told what you earn in an hour, and "
        'the tax rates, lowest bracket first. Answer with JSON only, in the form {"hours":40}.'
    )


def news(view: Tensor) -> str:
    """One agent's view [O] as the user message."""
    skill, *rates = (int(v) for v in view.tolist())
    return f"You earn {skill} in an hour. Tax rates, in percent: {' '.join(str(rate) for rate in rates)}."
