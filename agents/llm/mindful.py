"""Language-model people who remember, write notes to themselves, think before they decide, and talk to each other.

Each of these is words that go before the society's news, or a question of its own to the model, kept in the journal
like any other call. Memory is made anew from the journal when a run goes on: the same questions bring the same words.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from agents.base import Decisions, Message, Question, Round
from agents.llm.mind import LONGEST, Mind, Minds, Past, Who, remembered
from agents.llm.population import LanguagePopulation
from agents.llm.replies import harmless
from agents.llm.wording import Wording
from learning.draws import Draws
from personas.people import People
from personas.words import render

_SILENCE = ("", "-", "–", "—", "--")


@dataclass(frozen=True)
class MindfulPopulation:
    """`people`, with a mind each. ValueError: their model writes no words of its own, where it has to."""

    people: LanguagePopulation
    mind: Mind
    words: Wording

    def __post_init__(self) -> None:
        if self.mind.writes and "words" not in self.people.engine.ways:
            raise ValueError(_cannot_write(self.people.engine.model))

    def under(self, purpose: str) -> "MindfulPopulation":
        """The same people, with their decisions kept under another purpose."""
        return replace(self, people=self.people.under(purpose))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how these people were asked."""
        return self.people.notes

    def start(self, people: People) -> Minds:
        """Nobody has anything in mind yet."""
        return Minds(self.people.start(people))

    def decide(self, memory: Minds, round: Round, draws: Draws) -> tuple[Minds, Decisions]:
        """Notes, messages, thoughts and decisions of everyone, one after the other. As `LanguagePopulation.decide`."""
        if round.went is not None and memory.past:
            memory = memory.judged(round.step, round.went.values())
        here = _Here(self, memory, round)
        notes = here.notes(draws)
        here = replace(here, minds=replace(here.minds, notes={**memory.notes, **notes}))
        messages = here.messages(draws)
        thoughts = here.thoughts(draws)
        asked = replace(round, question=cache(lambda w, n: here.question(w, n, thoughts.get((w, n), ""))))
        last, decisions = self.people.decide(memory.last, asked, draws)
        after = replace(here.minds, last=last, past={**here.minds.past, **here.past(decisions)})
        return after, replace(decisions, messages=messages)


@dataclass(frozen=True)
class _Here:
    """One round, and what everybody has in mind in it."""

    of: MindfulPopulation
    minds: Minds
    round: Round

    def notes(self, draws: Draws) -> dict[Who, str]:
        """Of all who have a past to write of."""
        limit = self.of.mind.note
        if limit == 0 or not self.minds.past:
            return {}

        def ask(who: Who) -> str:
            return self.of.words.fill("ask_again" if who in self.minds.notes else "ask_note", limit=limit)

        written = self._written("note", ask, draws, limit)
        return {who: text for who, text in written.items() if text}

    def messages(self, draws: Draws) -> tuple[Message, ...]:
        """Of all who want to say something."""
        talk = self.round.talk
        if talk is None or talk.longest == 0:
            return ()
        if "words" not in self.of.people.engine.ways:
            raise ValueError(_cannot_write(self.of.people.engine.model))
        ask = self.of.words.fill("ask_message", limit=talk.longest)
        said = self._written("message", lambda _: ask, draws, talk.longest)
        return tuple(Message(*who, text) for who, text in said.items() if text not in _SILENCE)

    def thoughts(self, draws: Draws) -> dict[Who, str]:
        """Of everyone, where people think."""
        how = self.of.mind.reasoning
        if how == "off":
            return {}
        ask = self.of.words.fill(f"ask_{how}", limit=LONGEST[how])
        return self._written("thoughts", lambda _: ask, draws, LONGEST[how])

    def _written(self, key: str, ask: Callable[[Who], str], draws: Draws, limit: int) -> dict[Who, str]:
        def question(w: int, n: int) -> Question:
            told = self.question(w, n)
            return Question(told.system, f"{told.user}\n{ask((w, n))}", key, ())

        words = self.of.people.words(self.round, draws, question, limit)
        return {who: harmless(text, limit) for who, text in words.items()}

    def question(self, w: int, n: int, thoughts: str = "") -> Question:
        """The society's question with what this person has in mind around it."""
        words, mind, told, went = self.of.words, self.of.mind, self.round.question(w, n), self.round.went
        note, heard = self.minds.notes.get((w, n), ""), self._heard(w, n)
        user = words.fill(
            "user",
            memory=remembered(mind, self.minds.past.get((w, n), ()), words, went.what if went else ""),
            note=words.fill("note", note=note) if note else "",
            heard=words.fill("heard", messages="\n".join(heard)) if heard else "",
            news=told.user,
            thoughts=words.fill("thoughts", thoughts=thoughts) if thoughts else "",
        )
        return replace(told, system=self._system(told.system, w, n), user=user)

    def _heard(self, w: int, n: int) -> list[str]:
        said = () if self.round.talk is None else self.round.talk.heard(w, n)
        return [self.of.words.fill("message", message=harmless(text, LONGEST["short"])) for text in said]

    def _system(self, system: str, w: int, n: int) -> str:
        """The society's, unless the user words it otherwise."""
        if self.of.words.is_standard("system"):
            return system
        persona = render(self.round.people.persona(w, n))
        rules = system.removesuffix(persona).rstrip("\n")
        return self.of.words.fill("system", rules=rules, persona=persona if system.endswith(persona) else "")

    def past(self, decisions: Decisions) -> dict[Who, tuple[Past, ...]]:
        """Everyone's, with this period."""
        if not (self.of.mind.last or self.of.mind.best or self.of.mind.worst or self.of.mind.note):
            return {}
        action: list[list[int]] = decisions.action.tolist()
        failed = {(f.world, f.agent) for f in decisions.fallbacks}
        turns: list[list[int]] = (decisions.action >= 0).nonzero().tolist()
        found: dict[Who, tuple[Past, ...]] = {}
        for w, n in turns:
            told = self.round.question(w, n)
            answer = told.choices[action[w][n]]
            period = Past(self.round.step + 1, told.user, answer, answered=(w, n) not in failed)
            found[w, n] = self.minds.remembering((w, n), period)
        return found


def _cannot_write(model: str) -> str:
    return f"{model} writes no words of its own, which notes, thoughts and talk need"
