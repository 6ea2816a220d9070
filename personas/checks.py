"""What must hold between the fields of a persona or population file. Each check yields (path in the file, message)."""

from collections.abc import Iterator

import numpy as np

from personas.sample import correlation_matrix
from personas.schema import (
    AnyAttributeLaw,
    AnyTraitLaw,
    Choice,
    Constant,
    FromTable,
    Gb2,
    Logistic,
    PersonaFile,
    PopulationFile,
    TraitConstant,
    TraitFromTable,
    TraitNormal,
    TraitUniform,
)
from personas.spelling import suggest
from personas.traits import HOURS_LOW, HOURS_SPAN

Place = tuple[int | str, ...]
Found = Iterator[tuple[Place, str]]

OLDEST = 120.0  # years
CHEAPEST, DEAREST = 0.01, 100_000.0  # dollars an hour; beyond it a yearly income was probably written as a wage
FAR = 1e12  # of any attribute: beyond it single precision and whole numbers no longer go together
CLIPPED = (1e-3, 1e12)  # dollars a year; a drawn income may be clipped at most this far out
NUMBERS = {"wage": (CHEAPEST, DEAREST), "age": (0.0, OLDEST)}  # attributes that must be numbers above .. up to


def persona_problems(file: PersonaFile) -> Found:
    for name, (above, up_to) in NUMBERS.items():
        value = file.attributes[name].value if name in file.attributes else None
        if isinstance(value, str):
            yield ("attributes", name), f"found {value!r}; should be a number"
        elif value is not None and not above < value <= up_to:
            yield ("attributes", name), f"found {value:g}; should be above {above:g} and at most {up_to:g}"
    trade = file.attributes.get("occupation")
    if trade is not None and isinstance(trade.value, float):
        yield ("attributes", "occupation"), "found a number; should be words such as 'nurse'"
    for name in file.words:
        if name not in file.traits:
            yield ("words", name), f"words for a trait that is not declared; add {name} to traits"


def population_problems(file: PopulationFile) -> Found:
    for name, law in file.attributes.items():
        if not isinstance(law, FromTable):
            yield from _attribute_problems(name, law)
    for name, law in file.traits.items():
        if not isinstance(law, TraitFromTable):
            yield from _trait_problems(file, name, law)
    yield from _table_problems(file)
    yield from _correlation_problems(file)
    for i, name in enumerate(file.communities):
        if name in file.communities[:i]:
            yield ("communities", i), f"{name!r} is listed twice"


def _table_problems(file: PopulationFile) -> Found:
    read = file.table_laws()
    if file.table is None:
        for name in read:
            where = "attributes" if name in file.attributes else "traits"
            yield (where, name), "there is no table; name one, such as table: {file: census.csv, counts: count}"
        return
    if (file.table.counts is None) == (file.table.shares is None):
        yield ("table",), "should name one column, either of counts (counts: count) or of shares (shares: share)"
    if not read:
        yield ("table",), "nothing is drawn from it; give an attribute or a trait {law: table}"


def _attribute_problems(name: str, law: AnyAttributeLaw) -> Found:
    path = ("attributes", name)
    if isinstance(law, Choice):
        if name in NUMBERS:
            yield path, f"{name} must be a number, so its law cannot be choice"
        return
    if isinstance(law, Gb2):
        yield from _gb2_problems(path, law)
        return
    low, high = (law.value, law.value) if isinstance(law, Constant) else (law.low, law.high)
    if low >= high and not isinstance(law, Constant):
        yield path, f"low ({low:g}) should be below high ({high:g})"
    above, up_to = NUMBERS.get(name, (-FAR, FAR))
    if not (above < low and high <= up_to):
        yield path, f"{name} should be above {above:g} and at most {up_to:g}, not {low:g} to {high:g}"
    if name == "occupation":
        yield path, "an occupation is words: use the choice law"


def _gb2_problems(path: Place, law: Gb2) -> Found:
    if path[-1] != "wage":
        yield path, "the gb2 law is for the wage (dollars an hour) only"
    if law.low >= law.high:
        yield path, f"low ({law.low:g}) should be below high ({law.high:g})"
        return
    least, most = CLIPPED
    if not least <= law.low < law.high <= most:
        yield (
            path,
            f"low and high should lie between {least:g} and {most:g} dollars a year, not {law.low:g}, {law.high:g}",
        )


def _trait_problems(file: PopulationFile, name: str, law: AnyTraitLaw) -> Found:
    path = ("traits", name)
    if isinstance(law, Logistic):
        for kind, weights in (("loadings", law.loadings), ("slopes", law.slopes)):
            for community in weights:
                if community not in file.communities:
                    known = ", ".join(file.communities) or "none"
                    hint = suggest(community, file.communities)
                    yield (*path, kind, community), f"no such community{hint}; declared are: {known}"
        if law.slopes and "wage" not in file.attributes:
            yield (*path, "slopes"), "slopes go with the standing of the wage: declare a wage under attributes"
    if isinstance(law, TraitNormal | TraitUniform | TraitConstant):
        yield from _scale_problems(name, law)


def _scale_problems(name: str, law: TraitNormal | TraitUniform | TraitConstant) -> Found:
    """Preferred hours are written in hours a week, every other trait on [0, 1]."""
    low, high = (law.value, law.value) if isinstance(law, TraitConstant) else (law.low, law.high)
    hours = name == "preferred_hours"
    bottom, top = (HOURS_LOW, HOURS_LOW + HOURS_SPAN) if hours else (0.0, 1.0)
    unit = " hours a week" if hours else ""
    if not (bottom <= low and high <= top):
        yield ("traits", name), f"{low:g} to {high:g} leaves the scale of {name}, {bottom:g} to {top:g}{unit}"
    if low >= high and not isinstance(law, TraitConstant):
        yield ("traits", name), f"low ({low:g}) should be below high ({high:g})"


def _correlation_problems(file: PopulationFile) -> Found:
    variables = [name for name, law in (file.attributes | file.traits).items() if _varies(law)]
    seen: set[frozenset[str]] = set()
    sound = True
    for i, pair in enumerate(file.correlations):
        for name in pair.between:
            if name not in variables:
                sound = False
                yield ("correlations", i, "between"), _not_correlated(file, name, variables)
        if len(set(pair.between)) < 2 or frozenset(pair.between) in seen:
            sound = False
            yield ("correlations", i, "between"), "should name two different variables, each pair once"
        seen.add(frozenset(pair.between))
    if sound and file.correlations:
        lowest = float(np.linalg.eigvalsh(correlation_matrix(file.correlations)[1])[0])
        if lowest < 1e-6:
            yield (
                ("correlations",),
                f"no population can have these correlations: their matrix is not positive definite (smallest "
                f"eigenvalue {lowest:.3g}); make some of them weaker",
            )


def _not_correlated(file: PopulationFile, name: str, variables: list[str]) -> str:
    if name in file.table_laws():
        return f"{name!r} is drawn from the table, and goes with what else stands in its row"
    return f"{name!r} does not vary here{suggest(name, variables)}; {', '.join(variables)} do"


def _varies(law: AnyAttributeLaw | AnyTraitLaw | FromTable | TraitFromTable) -> bool:
    return not isinstance(law, Choice | Constant | TraitConstant | FromTable | TraitFromTable)
