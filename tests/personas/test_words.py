"""What a model reads about itself."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.people import Persona
from personas.traits import TRAITS
from personas.words import clean, closed_vocabulary_words, render, split_words, trait_phrase, trait_phrases

MARIA = Persona(
    id="maria-keller",
    name="Maria Keller",
    biography="You have nursed for twenty years.",
    attributes={"age": 44.0, "occupation": "nurse", "wage": 38.0},
    public=frozenset({"wage"}),
    traits={"preferred_hours": 13 / 33, "habit": 0.5, "elasticity": 0.3},
)


def test_the_words_of_one_person():
    assert render(MARIA) == (
        "You are Maria Keller, 44, a nurse. You have nursed for twenty years. "
        "When you keep less of extra pay, you cut hours mildly. "
        "Changing your hours from last year is neither easy nor hard. Your usual week is 38 hours."
    )


def test_undeclared_things_are_not_told():
    bare = Persona("x", "Elif Kaya", "", {}, frozenset(), {})
    assert render(bare) == "You are Elif Kaya."


def test_an_author_may_override_the_words_of_a_trait():
    text = render(replace(MARIA, words={"habit": "You never change a shift"}))
    assert "You never change a shift. Your usual week" in text
    assert "Changing your hours" not in text


def test_articles():
    assert "an electrician." in render(replace(MARIA, attributes={"occupation": "electrician"}))


def test_neither_wage_nor_trait_values_are_rendered():
    assert [word for word in split_words(render(MARIA)) if word.isdigit()] == ["44", "38"]  # age and hours


@pytest.mark.parametrize("name", [name for name in TRAITS if name != "preferred_hours"])
def test_every_graded_trait_has_seven_short_sentences_of_its_own(name: str):
    sentences = trait_phrases()[name]
    assert len(set(sentences)) == 7
    assert max(len(s.split()) for s in sentences) <= 12
    others = {s for other, scale in trait_phrases().items() if other != name for s in scale}
    assert not others & set(sentences)


def test_scales_run_from_weakest_to_strongest():
    """The order that a reader would give these words, written here independently of the renderer."""
    ranks = {
        "elasticity": ["hardly", "slightly", "mildly", "moderately", "strongly", "very strongly", "extremely"],
        "fairness": ["not", "very little", "a little", "somewhat", "a lot", "very much", "enormously"],
        "risk_aversion": ["full", "very slowly", "slowly", "steadily", "quickly", "very quickly", "at once"],
        "loss_aversion": ["never", "rarely", "occasionally", "sometimes", "often", "usually", "always"],
        "habit": ["effortless", "very easy", "easy", "neither", "hard", "very hard", "impossible"],
    }
    for name, words in ranks.items():
        for step, word in enumerate(words):
            assert word in trait_phrase(name, (step + 0.5) / 7), (name, step)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([n for n in TRAITS if n != "preferred_hours"]))
def test_a_larger_value_is_never_told_as_less(a: float, b: float, name: str):
    scale = trait_phrases()[name]
    assert scale.index(trait_phrase(name, min(a, b))) <= scale.index(trait_phrase(name, max(a, b)))


@given(st.text(), st.text(), st.text())
def test_no_control_or_invisible_character_gets_through(name: str, biography: str, own: str):
    text = render(replace(MARIA, name=name, biography=biography, words={"habit": own}))
    assert not [c for c in text if unicodedata.category(c)[0] == "C" or c in "\n\r\t\u2028\u2029"]
    assert "  " not in text.strip()


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str):
    assert clean(clean(text)) == clean(text)


def test_braces_and_template_marks_are_only_text():
    text = render(replace(MARIA, biography="{hours} {{ 7 * 7 }} %s {0}"))
    assert "{hours} {{ 7 * 7 }} %s {0}." in text


@given(st.dictionaries(st.sampled_from(list(TRAITS)), st.floats(0, 1)))
def test_the_closed_vocabulary_covers_everything_the_renderer_adds(traits: dict[str, float]):
    words = split_words(render(Persona("x", "You", "", {"age": 30.0, "occupation": "hours"}, frozenset(), traits)))
    assert {word for word in words if not word.isdigit()} <= closed_vocabulary_words()
