"""Our engines in LangChain's chains: words, choices, chances, and clear errors."""

import math
from enum import Enum
from typing import Literal

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel

from agents.embedded.engine import EmbeddedEngine
from agents.llm.chat_model import EngineChatModel
from agents.llm.engine import Reply, Request
from agents.llm.langchain_engine import LangChainEngine
from agents.llm.mock import ALL_WAYS, Answer, MockEngine
from experiments.embedded_exam import held_out
from societies.library.income_tax import IncomeTax
from tests.agents.llm.town import one_request

HOURS = {"title": "answer", "type": "object", "properties": {"hours": {"type": "integer", "enum": [0, 40, 45]}}}


class Move(BaseModel):
    """Where to go."""

    move: Literal["up", "down"]


def chat(answer: Answer, **settings: int) -> tuple[EngineChatModel, MockEngine]:
    engine = MockEngine(lambda request: answer, ways=ALL_WAYS)
    return EngineChatModel(engine=engine, **settings), engine  # pyright: ignore[reportArgumentType]


def test_a_chain_of_prompt_model_and_parser_runs():
    model, engine = chat("Work less.")
    chain = ChatPromptTemplate([("system", "You are {name}."), ("user", "What now?")]) | model | StrOutputParser()
    assert chain.invoke({"name": "Ada"}) == "Work less."
    (asked,) = engine.batches[0]
    assert (asked.question.system, asked.question.user, asked.way) == ("You are Ada.", "What now?", "words")
    assert chain.batch([{"name": "Ada"}, {"name": "Bob"}]) == ["Work less."] * 2


def test_tokens_and_the_models_name_are_told():
    model, _ = chat(Reply("Well.", None, 30, 2))
    message = model.invoke("Hello")
    assert message.usage_metadata == {"input_tokens": 30, "output_tokens": 2, "total_tokens": 32}
    assert message.response_metadata["model_name"] == "mock"


def test_a_talk_is_told_line_by_line():
    model, engine = chat("Yes.")
    model.invoke([SystemMessage("Be kind."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Ready?")])
    assert engine.batches[0][0].question.user == "human: Hi\nai: Hello\nhuman: Ready?"


def test_a_choice_comes_as_the_schema_wants_it():
    model, engine = chat(1, draw=7)
    assert model.with_structured_output(HOURS).invoke("How long?") == {"hours": 40}
    assert model.with_structured_output(Move).invoke("Where to?") == Move(move="down")
    told = model.with_structured_output(Move, include_raw=True).invoke("Where to?")
    assert (told["parsed"], told["raw"].text) == (Move(move="down"), '{"move":"down"}')  # pyright: ignore
    asked = [batch[0] for batch in engine.batches]
    assert [(r.way, r.draw, r.question.choices) for r in asked[:2]] == [
        ("sample", 7, ("0", "40", "45")),
        ("sample", 7, ("up", "down")),
    ]


def test_the_chance_of_every_choice_can_be_had():
    chances = (math.log(0.2), math.log(0.5), math.log(0.3))
    model, _ = chat(Reply('```json\n{"hours": 40}\n```', chances))
    told = model.with_structured_output(HOURS, include_raw=True, way="distribution").invoke("How long?")
    assert told["parsed"] == {"hours": 40}  # pyright: ignore[reportIndexIssue, reportCallIssue, reportArgumentType]
    assert told["raw"].response_metadata["log_probs"] == dict(zip(("0", "40", "45"), chances, strict=True))  # pyright: ignore


class Size(Enum):
    """Three of them."""

    SMALL = "1"
    LARGE = "2"


class Dress(BaseModel):
    size: Size


@pytest.mark.parametrize(
    ("values", "said", "parsed"),
    [
        (["10", "20", "30"], '{"a": "20"}', "20"),
        ([-1, -2, -3], '{"a": -2}', -2),
        ([0.1, 0.2, 0.3], '{"a": 0.2}', 0.2),
        ([10, 20], '{"a": 20}', 20),
    ],
)
def test_values_come_as_the_schema_tells_them(values: list[object], said: str, parsed: object):
    answer = chat(said)[0].with_structured_output({"properties": {"a": {"enum": values}}}).invoke("Which?")
    assert answer == {"a": parsed}
    assert type(answer["a"]) is type(parsed)  # pyright: ignore


def test_an_enum_class_is_a_choice_too():
    assert chat('{"size": "2"}')[0].with_structured_output(Dress).invoke("Which?") == Dress(size=Size.LARGE)


def test_of_chances_it_is_the_likeliest_whatever_the_words_say():
    model, _ = chat(Reply("well...", (math.log(0.02), math.log(0.01), math.log(0.97))))
    asked = model.with_structured_output({"properties": {"a": {"enum": ["x", "y", "z"]}}}, way="distribution")
    assert asked.invoke("Which?") == {"a": "z"}


def test_the_shipped_model_answers_what_it_was_taught():
    society = IncomeTax()
    (question, *_) = held_out(society, 1, 1).questions(society)
    engine = EmbeddedEngine()
    (expected,) = engine.complete([Request(question, "sample", 0)])
    values = [int(choice) for choice in question.choices]
    schema = {"properties": {question.key: {"enum": values}}}
    messages = [SystemMessage(question.system), HumanMessage(question.user)]
    model = EngineChatModel(engine=engine)
    answer = model.with_structured_output(schema).invoke(messages)
    assert f'{{"hours":{answer["hours"]}}}' == expected.text  # pyright: ignore
    with pytest.raises(ValueError, match="embedded cannot be asked for words, only for distribution or sample"):
        model.invoke(messages)


def test_our_engine_in_langchain_in_our_engine_gives_the_same(monkeypatch: pytest.MonkeyPatch):
    inner, _ = chat('{"hours":40}')
    monkeypatch.setattr("agents.llm.langchain_engine.init_chat_model", lambda *_, **__: inner)
    (reply,) = LangChainEngine("someone:x").complete([one_request()])
    assert (reply.text, reply.error) == ('{"hours":40}', None)


@pytest.mark.parametrize(
    "schema",
    [{"properties": {}}, {"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"enum": [1]}, "b": {}}}],
)
def test_schemas_of_another_form_are_refused(schema: dict[str, object]):
    with pytest.raises(ValueError, match="one property that is one of several values"):
        chat(1)[0].with_structured_output(schema)


def test_chances_that_were_not_told_are_not_made_up():
    for log_probs in (None, (-math.inf,) * 3, (math.log(0.5), math.log(0.4), -math.inf)):
        model, _ = chat(Reply('{"hours": 40}', log_probs))
        with pytest.raises(ValueError, match='did not tell the chance of every choice; ask with way="sample"'):
            model.with_structured_output(HOURS, way="distribution").invoke("How long?")


def test_answers_of_no_use_and_stop_words_are_refused():
    with pytest.raises(ValueError, match="gave no answer that can be used: choice not offered"):
        chat('{"hours": 41}')[0].with_structured_output(HOURS).invoke("How long?")
    with pytest.raises(ValueError, match="words at which to stop"):
        chat("Well.")[0].invoke("Hello", stop=["."])
    with pytest.raises(ValueError, match="there is no message to answer"):
        chat("Well.")[0].invoke([SystemMessage("Be kind.")])
