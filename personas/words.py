"""The one renderer from a persona to the words that a language model reads about itself.

Trait values reach a model only through here, in seven grades (preferred hours: as a whole number). Every trait has its
own scale of words, so that no two traits can be confused; the order of a scale is plain from the words alone.
"""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

from personas.people import REMEMBERED, Persona
from personas.traits import TRAITS, grade, hours_told

WORD_PATTERN = r"[0-9]+|[^\W\d_]+|[^\w\s]|_"  # a number, a word of letters, or one mark
_WORD = re.compile(WORD_PATTERN)
_BRACKETS = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")"})
_USUAL_WEEK = "Your usual week is {hours} hours."
_FRAME = "You are , a an . Your usual week is hours"  # the words around names, trades and phrases


def _scale(before: str, steps: str, after: str = "") -> tuple[str, ...]:
    """A sentence with seven endings, weakest first, separated by '/'."""
    return tuple(f"{before} {step.strip()}{after}." for step in steps.split("/"))


_PHRASES: dict[str, tuple[str, ...]] = {
    "elasticity": (
        "When you keep less of extra pay, you hardly cut hours.",
        *_scale(
            "When you keep less of extra pay, you cut hours",
            "slightly / mildly / moderately / strongly / very strongly / extremely",
        ),
    ),
    "fairness": (
        "More equal incomes do not raise your will to work.",
        *_scale(
            "More equal incomes raise your will to work",
            "very little / a little / somewhat / a lot / very much / enormously",
        ),
    ),
    "risk_aversion": (
        "Extra money keeps its full worth to you.",
        *_scale(
            "Extra money loses worth to you",
            "very slowly / slowly / steadily / quickly / very quickly / almost at once",
        ),
    ),
    "loss_aversion": _scale(
        "You",
        "never / rarely / occasionally / sometimes / often / usually / always",
        " work longer to avoid a fall in net income",
    ),
    "habit": _scale(
        "Changing your hours from last year is",
        "effortless / very easy / easy / neither easy nor hard / hard / very hard / nearly impossible",
    ),
    "roaming": _scale(
        "For an outing you like to go",
        "next door / round the corner / a few steps / a short walk / a walk / a long walk / right across town",
    ),
    "position": _scale(
        "Your home on the street is",
        "at its very beginning / near its beginning / before its middle / about its middle / past its middle / "
        "near its end / at its very end",
    ),
    "strength": _scale(
        "Your hands are made for",
        "the lightest / very light / light / middling / heavy / very heavy / the heaviest",
        " work",
    ),
    "patience": _scale(
        "For a larger reward later you would wait",
        "no time / a day / a week / a month / a year / several years / a lifetime",
    ),
    "altruism": _scale(
        "Of what you have you gladly give others",
        "nothing / a trifle / a small part / a fair part / a large part / most / everything",
    ),
    "reciprocity": _scale(
        "Of those who help or harm you, you repay",
        "none / very few / few / half / many / nearly all / all",
    ),
    "conformity": (
        "You ignore what most people do.",
        *_scale(
            "You follow what most people do",
            "one time in ten / one time in four / every second time / three times in four / nine times in ten / "
            "every time",
        ),
    ),
    "trust": _scale(
        "That a stranger keeps a promise seems to you",
        "impossible / very unlikely / unlikely / possible / likely / very likely / certain",
    ),
    "honesty": _scale(
        "To tell the truth you would accept",
        "no loss / a tiny loss / a small loss / a medium loss / a big loss / a huge loss / any loss",
    ),
}


def clean(text: str) -> str:
    """One line of plain text: NFC, no control or invisible format characters, single spaces.

    Persona files are written by anyone, so their text is data: it is never used as a template.
    """
    spaced = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text))
    visible = "".join(filter(str.isprintable, spaced))
    return re.sub(r" +", " ", visible).strip()


def _told(text: str) -> str:
    """`clean`, and without what a chat template may take for the beginning or the end of somebody's turn."""
    return clean(text).translate(_BRACKETS)


def trait_phrase(name: str, u: float) -> str:
    """The sentence for one trait at value u in [0, 1]."""
    if name == "preferred_hours":
        return _USUAL_WEEK.format(hours=hours_told(u))
    return _PHRASES[name][grade(u)]


def trait_phrases() -> dict[str, tuple[str, ...]]:
    """Every graded trait's seven sentences, weakest first."""
    return dict(_PHRASES)


def split_words(text: str) -> list[str]:
    """Words, numbers and marks of a text, as the embedded model's tokenizer separates them."""
    return _WORD.findall(text)


def closed_vocabulary_words(but: Collection[str] = ()) -> frozenset[str]:
    """All words and marks that the renderer itself can emit; numbers, names, trades and biographies are extra.

    `but`: traits that nobody declares.
    """
    phrases = " ".join(phrase for name, scale in _PHRASES.items() if name not in but for phrase in scale)
    return frozenset(split_words(f"{_FRAME} {phrases}"))


class _Same:
    """A persona for a cache that asks whether it is the same one, not whether it is an equal one."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.persona is self.persona

    def __hash__(self) -> int:
        return id(self.persona)


def render(persona: Persona) -> str:
    """The persona part of the system message: who you are, your biography, a sentence for each declared trait."""
    return _rendered(_Same(persona))  # it is asked for in every step of an episode


@lru_cache(maxsize=REMEMBERED)
def _rendered(one: _Same) -> str:
    return " ".join(sentences(one.persona))


def sentences(persona: Persona) -> list[str]:
    """What `render` joins: who you are, the biography if there is one, and a sentence for each declared trait."""
    told = [_identity(persona), _sentence(persona.biography)]
    told += [trait_sentence(persona, name) for name in _told_order(persona)]
    return [sentence for sentence in told if sentence]


def _told_order(persona: Persona) -> list[str]:
    """Declared traits in the documented order, the usual week last."""
    names = [name for name in TRAITS if name in persona.traits]
    return sorted(names, key=lambda name: name == "preferred_hours")


def trait_sentence(persona: Persona, name: str) -> str:
    """What is told of one declared trait: the author's own words if there are any."""
    if name in persona.words:
        return _sentence(persona.words[name])
    return trait_phrase(name, persona.traits[name])


def _sentence(text: str) -> str:
    tidy = _told(text)
    return tidy if not tidy or tidy[-1] in ".!?\"'”’)" else tidy + "."


def _identity(persona: Persona) -> str:
    parts = [f"You are {_told(persona.name)}"]
    age, trade = persona.attributes.get("age"), persona.attributes.get("occupation")
    if isinstance(age, int | float):
        parts.append(str(int(age)))
    if isinstance(trade, str) and clean(trade):
        parts.append(with_article(_told(trade)))
    return ", ".join(parts) + "."


def with_article(noun: str) -> str:
    """'a nurse', 'an electrician'."""
    return f"{'an' if noun[:1].lower() in 'aeio' else 'a'} {noun}"
