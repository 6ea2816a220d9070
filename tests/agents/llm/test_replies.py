"""What a reply means: known answers, and laws that hold for any text."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.base import Question
from agents.llm.engine import Reply, Request
from agents.llm.prompts import CallKeys, answer_schema, messages, retry
from agents.llm.redact import redact
from agents.llm.replies import LONGEST, bounded, missing_mass, read, read_choice, shown
from tests.agents.llm.town import CHOICES, K, one_request

HOURS = Question("system", "news", "hours", CHOICES)
MOVES = Question("system", "news", "move", ("cooperate", "defect"))

ANSWERS = [
    ('{"hours":40}', "40"),
    (' {"hours": 40.0}\n', "40"),
    ('{"hours": "40"}', "40"),
    ('{"hours": " 40.0 "}', "40"),
    ('{"hours": 4e1}', "40"),
    ('{"hours": 0}', "0"),
    ('{"hours": -0.0}', "0"),
    ('```json\n{"hours": 5}\n```', "5"),
    ('```\n{"hours": 5}```', "5"),
]
PROBLEMS = [
    ("", "empty reply"),
    (" \n\t", "empty reply"),
    ("40", "not a JSON object"),
    ("[40]", "not a JSON object"),
    ("null", "not a JSON object"),
    ("I work 40 hours.", "not JSON"),
    ('{"hours": 40', "not JSON"),
    ("{'hours': 40}", "not JSON"),
    ('{"hours": 40} because I like it', "not JSON"),
    ('{"labor": 40}', "no key 'hours'"),
    ("{}", "no key 'hours'"),
    ('{"hours": 40, "why": "I like it"}', "more than the key 'hours': why"),
    ('{"hours": 40, "hours": 50}', "more than the key 'hours': it is there more than once"),
    ('{"hours": 40, "h\\u006furs": 40}', "more than the key 'hours': it is there more than once"),
    ('{"hours": 37}', "choice not offered: 37"),
    ('{"hours": -5}', "choice not offered: -5"),
    ('{"hours": 40.5}', "choice not offered: 40.5"),
    ('{"hours": true}', "choice not offered: True"),
    ('{"hours": null}', "choice not offered: None"),
    ('{"hours": [40]}', "choice not offered: [40]"),
    ('{"hours": NaN}', "choice not offered: nan"),
    ('{"hours": 1e999}', "choice not offered: inf"),
    ('{"hours": "forty"}', "choice not offered: forty"),
    ('{"hours": "４０"}', "choice not offered: ４０"),
    ('{"hours": "0x28"}', "choice not offered: 0x28"),
    (f'{{"hours": {"9" * 3000}}}', "choice not offered: a huge number"),
    ("[" * 3999, "not JSON"),
]


@pytest.mark.parametrize(("text", "choice"), ANSWERS)
def test_answers(text: str, choice: str) -> None:
    assert read_choice(text, HOURS) == (CHOICES.index(choice), None)


@pytest.mark.parametrize(("text", "problem"), PROBLEMS)
def test_problems_have_names(text: str, problem: str) -> None:
    assert read_choice(text, HOURS) == (None, problem)


def test_words_can_be_choices() -> None:
    assert read_choice('{"move": "defect"}', MOVES) == (1, None)
    assert read_choice('{"move": "Defect"}', MOVES) == (None, "choice not offered: Defect")
    assert read_choice('{"move": 1}', MOVES) == (None, "choice not offered: 1")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(CHOICES),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("hours"), inner),
)
_TEXTS = (
    st.text()
    | st.text(st.characters(codec=None))
    | st.builds(json.dumps, _JSON)
    | st.builds(lambda value: json.dumps({"hours": value}), _JSON)
)


@given(_TEXTS, st.sampled_from([HOURS, MOVES]))
def test_any_text_gives_an_offered_choice_or_a_short_clean_reason(text: str, question: Question) -> None:
    reply = bounded(Reply(text), redact)
    verdict = read(Request(question, "sample"), reply)
    if verdict.choice is None:
        assert verdict.problem
        assert len(verdict.problem) < 120
        assert verdict.problem.isprintable()
    else:
        assert verdict.problem is None
        said = json.loads(reply.text.strip().strip("`").removeprefix("json"))[question.key]
        assert said == question.choices[verdict.choice] or float(said) == float(question.choices[verdict.choice])
    again = retry(one_request(), reply.text, verdict, 1)
    assert all(len(words) < 5000 for _, words in messages(again))
    CallKeys("m", {}).of(again)


@given(st.text(st.characters(codec=None), max_size=9000))
def test_what_is_kept_is_short_and_storable(text: str) -> None:
    reply = bounded(Reply(text, error=text or None), redact)
    assert len(reply.text) <= LONGEST
    reply.text.encode()
    assert (reply.error is None) == (text == "")
    assert reply.error is None or len(reply.error) <= 200
    assert len(shown(text, 50)) <= 50
    assert shown(text).isprintable()


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])))
def test_printable_words_are_shown_as_they_are_but_for_blanks(text: str):
    printable = "".join(c for c in text if c.isprintable())
    assert shown(printable, 10**6) == " ".join(printable.split())


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=K + 1))
def test_only_distributions_are_taken_for_distributions(numbers: list[float]) -> None:
    verdict = read(one_request("distribution"), Reply("?", tuple(numbers)))
    if verdict.told_distribution:
        assert len(numbers) == K
        assert 0.94 < sum(math.exp(p) for p in numbers) < 1.01
    else:
        assert verdict.problem == "not JSON"


def test_missing_mass() -> None:
    half = math.log(0.5)
    assert missing_mass((half, half), 2) == pytest.approx(0)
    assert missing_mass((half, -math.inf), 2) == pytest.approx(0.5)
    assert missing_mass((half, math.nan), 2) is None
    assert missing_mass((0.0, half), 2) is None
    assert missing_mass((800.0, half), 2) is None
    assert missing_mass((half,), 2) is None
    assert missing_mass(None, 2) is None


def test_the_schema_offers_the_choices_only() -> None:
    schema = answer_schema(HOURS)
    assert schema["properties"] == {"hours": {"type": "integer", "enum": list(range(0, 101, 5))}}
    assert schema["required"] == ["hours"]
    assert answer_schema(MOVES)["properties"] == {"move": {"type": "string", "enum": ["cooperate", "defect"]}}


def test_keys_tell_everything_apart_that_decides_an_answer() -> None:
    base = one_request()
    q = base.question
    others = [
        Request(Question("other", q.user, q.key, q.choices), "sample"),
        Request(Question(q.system, "other", q.key, q.choices), "sample"),
        Request(Question(q.system, q.user, "other", q.choices), "sample"),
        Request(Question(q.system, q.user, q.key, q.choices[:-1]), "sample"),
        Request(q, "distribution"),
        Request(q, "sample", 1),
        Request(q, "sample", complaint="no"),
        Request(q, "sample", complaint="no", said="what"),
    ]
    keys = [CallKeys("m", {}).of(r) for r in [base, *others]]
    keys += [CallKeys("n", {}).of(base), CallKeys("m", {"temperature": 0.5}).of(base)]
    assert len(set(keys)) == len(keys)
    assert CallKeys("m", {"a": 1, "b": 2}).of(base) == CallKeys("m", {"b": 2, "a": 1}).of(one_request())


def test_the_key_of_a_call_stays_what_it_was() -> None:
    """A change of this number makes every kept journal worthless: raise the format version with it."""
    request = Request(Question("You are Ada.", "Now: net 87.", "hours", ("0", "40")), "distribution")
    found = CallKeys("embedded", {"weights": "abc"}).of(request).hex()
    assert found == "316b8c43e2a402a8c6a111545a2f634fbad9766db025ac0f1148e6d7d03fc60e"


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijklmnop123",
        "Authorization: Bearer abcdefgh.ijkl-mnop",
        "cannot reach https://user:hunter2secret@host/v1",
        "the key is very-private-value!",
    ],
)
def test_secrets_are_blotted_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PROVIDER_API_KEY", "very-private-value")
    for secret in ("abcdefgh", "hunter2", "very-private"):
        assert secret not in redact(text)


def test_ordinary_words_stay() -> None:
    text = '{"hours":40} I asked the desk-top team about token limits at http://127.0.0.1:8000/v1'
    assert redact(text) == text
