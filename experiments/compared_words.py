"""What a comparison of kinds of people found, in words that are worked out from its intervals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments.compared_tables import COMPARED, FEW, LEVEL, Difference, Known, Mean, Pair, Tables
from experiments.tables import counted
from societies.base import Society

TITLES = {
    "answer": "Answers to the rules",
    "elasticity": "Elasticity",
    "trait": "Answers by trait",
    "welfare": "Welfare",
    "part": "Accounts and own payoff",
    "inequality": "Inequality",
    "recovery": "Traits read from behaviour",
    "signature": "Signatures of behaviour",
}
MIXED = ("part", "signature")  # whose rows have units of their own
ABOUT = {
    "signature": "Habit: how much of what chance added to a decision is meant again in the next step. Loss aversion: "
    "how much more a loss counts than a gain of the same size. Overreaction: how much more strongly people answer "
    "rules that are new to them than the scripted people's formula would in their place.",
    "recovery": "1 = a regression on what somebody did tells the trait of people it was not fitted on; 0 = it does no "
    "better than the mean; below 0 = worse.",
}  # what a table shows
MOST = 4  # differences that a sentence lists
TOO_FEW = f"Fewer than {FEW} seeds are too few to tell: nothing is said of differences."


@dataclass(frozen=True)
class Naming:
    """What kinds, rules and other rows are called."""

    kinds: Mapping[str, str]
    rules: Mapping[str, str]
    unit: str = ""  # of answers; "" = choices are names

    def title(self, table: str) -> str:
        """A table's, with the unit where that is the same in all rows."""
        unit = f" ({self.unit})" if self.unit and table in ("answer", "trait") else ""
        return f"{TITLES[table]}{unit}"

    def row(self, table: str, row: str) -> str:
        """A row of a table."""
        if table in ("answer", "welfare", "inequality"):
            return self.rules.get(row, row)
        return row.replace("_", " ")


def objective_of(society: Society) -> str:
    """Its objective, as a reader writes it."""
    return society.objective.replace("equality_productivity", "equality × productivity").replace("_", " ")


def number(value: float) -> str:
    """Three digits or so, with a true minus: 1,230, 41.9, 3.08, .271."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{size:,.{places}f}"
    text = text[1:] if text.startswith("0.") else text
    return ("−" if value < 0 and float(text.replace(",", "")) != 0 else "") + text


def signed(value: float) -> str:
    """The same with its sign."""
    return number(value) if value < 0 else f"+{number(value)}"


def spread(of: Mean, sign: bool = False) -> str:
    """ "41.9 (39.7 to 45.3)"."""
    told = signed if sign else number
    return told(of.value) + (f" ({told(of.ends[0])} to {told(of.ends[1])})" if of.ends else "")


def chance(p: float) -> str:
    """How likely chance alone is to make as much: ".0312", "< .0001"."""
    return "< .0001" if p < 0.0001 else f"{p:.4f}".removeprefix("0")


def cell(known: Known) -> str:
    """A cell in words."""
    return spread(known.mean) if known.mean else f"not applicable: {known.why_not}"


def headline(tables: Tables, naming: Naming) -> str:
    """How much each pair has in common."""
    if tables.seeds < FEW:
        return TOO_FEW
    told = [f"{_names(pair, naming)} differ in {_share(pair)}" for pair in tables.pairs]
    return (
        f"Of what was measured, {'; '.join(told)}: beyond chance, in {tables.seeds} paired seeds, whatever else of a "
        f"pair was looked at (Holm, within each pair, {LEVEL:.0%})."
    )


def _share(pair: Pair) -> str:
    apart = sum(one.told_apart for one in pair.differences.values())
    return f"{apart or 'none'} of {counted(len(pair.differences), 'quantity', 'quantities')}"


def _names(pair: Pair, naming: Naming) -> str:
    return f"{naming.kinds[pair.first]} and {naming.kinds[pair.second]}"


def findings(tables: Tables, naming: Naming) -> list[str]:
    """Everything in sentences: the headline, each table pair by pair, distances, and the order of the rules."""
    if tables.seeds < FEW:
        return [TOO_FEW]
    by_table = [f"{naming.title(t)}: {text}" for t in COMPARED if (text := on_table(tables, t, naming))]
    missing = [f"{TITLES[t]}: {text}" for t in COMPARED if (text := not_applicable(tables, t, naming))]
    return [headline(tables, naming), *by_table, *missing, on_distances(tables, naming), on_order(tables, naming)]


def on_table(tables: Tables, table: str, naming: Naming) -> str:
    """Where pairs differ in one table, and where no difference is shown. "" where nothing was measured."""
    if tables.seeds < FEW:
        return TOO_FEW
    return " ".join(_on_pair(pair, table, naming) for pair in tables.pairs if pair.of(table))


def _on_pair(pair: Pair, table: str, naming: Naming) -> str:
    found, names = pair.of(table), _names(pair, naming)
    apart = {row: one for row, one in found.items() if one.told_apart}
    if not apart:
        return f"{names}: no difference shown after correction{_alone(found, table)}."
    order = sorted(apart, key=lambda row: apart[row].p if table in MIXED else -abs(apart[row].mean.value))
    several = len(found) > 1
    shown = order[:MOST] if table in MIXED else order[:1]
    listed = "; ".join(f"{_of(table, row, naming)}{spread(apart[row].mean, True)}" for row in shown)
    share = f" in {len(apart)} of {len(found)}" if several else ""
    first = "" if len(apart) == 1 or not several else ", first of all" if table in MIXED else ", most"
    return f"{names} differ{share}{first}: {listed}."


def _of(table: str, row: str, naming: Naming) -> str:
    name = naming.row(table, row)
    return "" if table == "elasticity" else f"{name} "


def _alone(found: Mapping[str, Difference], table: str) -> str:
    """How far the intervals reach, none of which is corrected for the others."""
    ends = [one.mean.ends for one in found.values() if one.mean.ends]
    if table in MIXED or not ends:
        return ""
    low, high = signed(min(low for low, _ in ends)), signed(max(high for _, high in ends))
    which = "the 95% interval by itself" if len(ends) == 1 else "95% intervals, each by itself, from"
    return f" ({which} {low} to {high})"


def not_applicable(tables: Tables, table: str, naming: Naming) -> str:
    """Which rows of a table a society or a kind of people cannot show, and why."""
    every = [tables.cell(kind, table, row) for kind in tables.kinds for row in tables.rows(table)]
    reasons = {known.why_not for known in every if known.mean is None}
    if len(reasons) == 1 and not any(known.mean for known in every):
        return f"It is not applicable: {reasons.pop()}."
    return " ".join(_missing(tables, table, naming))


def _missing(tables: Tables, table: str, naming: Naming) -> Iterator[str]:
    for row in tables.rows(table):
        why = dict[str, list[str]]()  # reason -> whose
        for kind in tables.kinds:
            if (known := tables.cell(kind, table, row)).mean is None:
                why.setdefault(known.why_not, []).append(naming.kinds[kind])
        what = first_upper(f"{naming.row(table, row)} is" if row and table != "elasticity" else "it is")
        for reason, whose in why.items():
            who = "" if len(whose) == len(tables.kinds) else f" of {' and '.join(whose)}"
            yield f"{what} not applicable{who}: {reason}."


def levels(tables: Tables, table: str, row: str, naming: Naming) -> str:
    """One row of a table, kind by kind."""
    told = [f"{naming.kinds[kind]} {cell(tables.cell(kind, table, row))}" for kind in tables.kinds]
    return f"{'; '.join(told)}."


def first_upper(text: str) -> str:
    """The beginning of a sentence."""
    return text[:1].upper() + text[1:]


def on_distances(tables: Tables, naming: Naming) -> str:
    """How far apart the laws of choices are, beside what chance alone makes."""
    name = "choices, Wasserstein"
    told = [f"{_names(pair, naming)} {cell(pair.distances[name])}" for pair in tables.pairs]
    chance = _by_chance(tables, name)
    unit = f" ({naming.unit})" if naming.unit else ""
    return f"Wasserstein's distance of what is chosen{unit}: {'; '.join(told)}{chance}."


def on_order(tables: Tables, naming: Naming) -> str:
    """Do kinds put the rules in the same order?"""
    told = [f"{_names(pair, naming)} {cell(pair.distances['rank agreement'])}" for pair in tables.pairs]
    chance = _by_chance(tables, "rank agreement")
    return (
        "Agreement on the order of the rules by welfare (Kendall's tau: 1 = the same order, 0 = none): "
        f"{'; '.join(told)}{chance}."
    )


def distance_names(naming: Naming, answer: str) -> dict[str, str]:
    """What distances are called, with their units: the energy distance is a root. answer: unit of people's answers."""
    units = {"choices": naming.unit, "people": answer}
    named = {
        f"{what}, {name}": f"{what}, {name}" + (f" ({of.format(unit)})" if unit else "")
        for what, unit in units.items()
        for name, of in (("Wasserstein", "{}"), ("energy", "root of {}"))
    }
    return {**named, "rank agreement": "rank agreement (Kendall's tau)"}


def _by_chance(tables: Tables, name: str) -> str:
    if tables.chance is None:
        return ""
    return f"; scripted people and themselves with fresh draws {cell(tables.chance.distances[name])}"
