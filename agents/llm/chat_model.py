"""Any of our engines as a LangChain chat model: for chains, agents and graphs that are built of these."""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import BaseModel, ConfigDict, PrivateAttr

from agents.base import Question
from agents.llm.engine import Engine, Request, Way, parameters_of
from agents.llm.replies import read, read_choice

Form = tuple[str, tuple[str, ...]]
"""The name of an answer, and its choices; none = words are asked for"""
_WORDS: Form = ("words", ())


class EngineChatModel(BaseChatModel):
    """`engine` as a chat model. It is told a system message and a user message; a longer talk is put into the latter.

    It answers in words. `with_structured_output` takes a schema of one property that is one of several values, and
    answers with that object; with `way="distribution"` the message's `response_metadata` has the log-probability of
    every value as "log_probs". ValueError: the engine cannot be asked so, or gave no answer that can be used.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Any  # an agents.llm.engine.Engine: pydantic cannot check a protocol
    draw: int = 0  # tells several answers to the same words apart
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "solon"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.engine.model, "draw": self.draw, **parameters_of(self.engine)}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        form: Form = _WORDS,
        way: Way = "words",
        **kwargs: Any,
    ) -> ChatResult:
        if stop:
            raise ValueError("words at which to stop are the engine's own setting, where it has one")
        message = self._answer(Request(_question(messages, form), way, self.draw))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _answer(self, request: Request) -> AIMessage:
        engine: Engine = self.engine
        if request.way not in engine.ways:
            known = " or ".join(sorted(engine.ways))
            raise ValueError(f"{engine.model} cannot be asked for {request.way}, only for {known}")
        with self._lock:  # of one process: engines answer one batch at a time
            (reply,) = engine.complete([request])
        verdict = read(request, reply)
        if verdict.problem is not None:
            raise ValueError(f"{engine.model} gave no answer that can be used: {verdict.problem}")
        if request.way == "distribution" and not verdict.told_distribution:
            raise ValueError(f'{engine.model} did not tell the chance of every choice; ask with way="sample"')
        chances = dict(zip(request.question.choices, reply.log_probs or (), strict=False))
        return AIMessage(
            reply.text,
            response_metadata={"model_name": engine.model, **({"log_probs": chances} if chances else {})},
            usage_metadata={
                "input_tokens": reply.tokens_in,
                "output_tokens": reply.tokens_out,
                "total_tokens": reply.tokens_in + reply.tokens_out,
            },
        )

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, way: Way = "sample", **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """See the class. schema: a JSON schema, or a pydantic model, whose objects are given back.

        ValueError: it has another form, for which this model cannot be asked.
        """
        key, values = _offered(schema)
        form = key, tuple(json.dumps(value) if isinstance(value, bool) else str(value) for value in values)

        def parsed(message: AIMessage) -> Any:
            value: Any = {key: values[_chosen(message, form)]}
            value = schema.model_validate(value) if _is_model(schema) else value
            return {"raw": message, "parsed": value, "parsing_error": None} if include_raw else value

        return self.bind(form=form, way=way) | RunnableLambda(parsed)


def _chosen(message: AIMessage, form: Form) -> int:
    """The likeliest, where the chances are told, else the one that is named."""
    chances: dict[str, float] = message.response_metadata.get("log_probs", {})
    if chances:
        return max(range(len(form[1])), key=lambda i: chances[form[1][i]])
    choice, problem = read_choice(message.text, Question("", "", *form))
    if choice is None:
        raise ValueError(f"the answer cannot be used: {problem}")
    return choice


def _question(messages: Sequence[BaseMessage], form: Form) -> Question:
    """A single user message as it is; a talk line by line, each with who said it."""
    system = "\n".join(message.text for message in messages if message.type == "system")
    said = [message for message in messages if message.type != "system"]
    if not said:
        raise ValueError("there is no message to answer")
    user = said[0].text if len(said) == 1 else "\n".join(f"{message.type}: {message.text}" for message in said)
    return Question(system, user, *form)


def _offered(schema: Any) -> tuple[str, list[Any]]:
    """The name of the one property, and the values that it may have. ValueError: a schema of another form."""
    told: Mapping[str, Any] = schema.model_json_schema() if _is_model(schema) else schema
    properties: Mapping[str, Any] = told.get("properties", {})
    offered = [(key, _resolved(one, told).get("enum", [])) for key, one in properties.items()]
    if len(offered) != 1 or not offered[0][1]:
        raise ValueError("the schema must have one property that is one of several values: an enum, or a Literal")
    return offered[0][0], list(offered[0][1])


def _resolved(one: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """An enum class is told elsewhere in the schema."""
    name = str(one.get("$ref", "")).rpartition("/")[2]
    return schema.get("$defs", {}).get(name, one)


def _is_model(schema: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(schema, type) and issubclass(schema, BaseModel)
