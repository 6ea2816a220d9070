"""Made-up people for laws that hold for anybody."""

from hypothesis import strategies as st

from personas.people import Persona
from personas.traits import TRAITS
from personas.words import clean

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs"])
LINES = st.text(LETTERS, min_size=1, max_size=40).filter(lambda text: bool(clean(text)))
IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True)
SHARES = st.floats(0, 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = IDS.filter(lambda name: name not in ("wage", "age", "occupation"))


@st.composite
def people(
    draw: st.DrawFn, numbers: st.SearchStrategy[float] = NUMBERS, shares: st.SearchStrategy[float] = SHARES
) -> Persona:
    """Anybody whom a persona file may tell."""
    attributes: dict[str, float | str] = draw(st.dictionaries(NAMES, numbers | LINES, max_size=3))
    if draw(st.booleans()):
        attributes["wage"] = draw(st.floats(0.02, 1e5))
    traits = draw(st.dictionaries(st.sampled_from(sorted(TRAITS)), shares, max_size=4))
    return Persona(
        id=draw(IDS),
        name=draw(LINES),
        biography=draw(st.text(LETTERS, max_size=200) | st.text("ab :#'\"{}[],&*!|>%@`-?\\\n", max_size=80)),
        attributes=attributes,
        public=frozenset(name for name in attributes if draw(st.booleans())),
        traits=traits,
        words={name: draw(LINES) for name in traits if draw(st.booleans())},
    )
