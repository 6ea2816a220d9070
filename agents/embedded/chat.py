"""The embedded model as a LangChain chat model, so that it can stand wherever LangChain expects one."""

from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from agents.base import Question
from agents.embedded.engine import EmbeddedEngine
from agents.embedded.vocabulary import MODEL_FOLDER
from agents.llm.engine import Request


class EmbeddedChat(BaseChatModel):
    """Answers one system and one user message with JSON. Temperature 0: the likeliest choice; else one is drawn.

    `seed` tells repeated draws apart. ValueError for messages of another form.
    """

    folder: Path = MODEL_FOLDER
    temperature: float = 0.0
    seed: int = 0
    _engine: EmbeddedEngine = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        self._engine = EmbeddedEngine(self.folder)

    @property
    def _llm_type(self) -> str:
        return "embedded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        question = _question(self._engine, *_texts(messages))
        way = "sample" if self.temperature > 0 else "distribution"
        reply = self._engine.complete([Request(question, way, self.seed)])[0]
        if reply.error:
            raise ValueError(reply.error)
        used = {
            "input_tokens": reply.tokens_in,
            "output_tokens": reply.tokens_out,
            "total_tokens": reply.tokens_in + reply.tokens_out,
        }
        return ChatResult(generations=[ChatGeneration(message=AIMessage(reply.text, usage_metadata=used))])


def _texts(messages: list[BaseMessage]) -> tuple[str, str]:
    match messages:
        case [SystemMessage(content=str(system)), HumanMessage(content=str(user))]:
            return system, user
        case _:
            kinds = ", ".join(m.type for m in messages) or "none"
            raise ValueError(f"the embedded model takes one system and one user message, not: {kinds}")


def _question(engine: EmbeddedEngine, system: str, user: str) -> Question:
    """All of the society's choices; none where the engine knows no such society, and says so in its reply."""
    society = engine.taught(system)
    return Question(system, user, society.key, society.choices) if society else Question(system, user, "", ())
