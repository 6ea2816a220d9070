"""YAML as plain data with its lines. Refuses what a persona file never needs: aliases, tags, merge keys, dates."""

import sys
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, ScalarEvent

Place = tuple[int | str, ...]
HALF = "the text holds half a character (\\ud800 to \\udfff); write the whole one"
DEEPEST = 10  # levels of lists and mappings in one another


class UnreadableError(ValueError):
    """A text that is not the plain YAML we read. `line` counts from 1."""

    def __init__(self, line: int | None, message: str, field: str = "") -> None:
        super().__init__(message)
        self.line, self.message, self.field = line, message, field


@dataclass(frozen=True)
class Tree:
    """Plain data (dict, list, str, int, float, bool, None) and where in the text it stands."""

    data: object
    root: object  # the same data as ruamel's commented collections

    def line_of(self, place: Place) -> int:
        """The line of the deepest part of the place that is in the text."""
        return self._walk(place)[0]

    def name_of(self, place: Place) -> str:
        """The place as far as it is in the text, e.g. 'traits.habit' (a checker's own parts are left out)."""
        return ".".join(str(part) for part in self._walk(place)[1])

    def _walk(self, place: Place) -> tuple[int, list[int | str]]:
        node, line, found = self.root, 1, list[int | str]()
        for part in place:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line = node.lc.item(part)[0] + 1
            else:
                continue
            node = node[part]
            found.append(part)
        return line, found


def parse_tree(text: str) -> Tree:
    """Parses one YAML document whose top is a mapping. UnreadableError with line and reason."""
    try:
        _refuse_tricks(text)
        root = YAML(typ="rt", pure=True).load(text)
    except UnreadableError:
        raise
    except MarkedYAMLError as error:
        raise _unreadable(error) from None
    except (YAMLError, ValueError) as error:
        raise UnreadableError(None, f"not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(root, CommentedMap):
        raise UnreadableError(1, "should be a mapping of keys to values, such as 'name: Maria Keller'")
    return Tree(_plain(root, 1, ""), root)


def _refuse_tricks(text: str) -> None:
    """What makes a short text a huge or a slow one (aliases, nesting), or a value something else (tags, merge keys)."""
    depth = 0
    for event in YAML(typ="rt", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        trick = _trick(event)
        if trick or depth > DEEPEST:
            problem = trick or f"nested too deeply; at most {DEEPEST} levels are read"
            raise UnreadableError(event.start_mark.line + 1, problem)


def _trick(event: Event) -> str | None:
    if isinstance(event, AliasEvent):
        return "aliases (*name) are not read; write the value out"
    if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
        return "tags (!...) are not read; write the value without its tag, and quote a text that starts with '!'"
    if isinstance(event, ScalarEvent) and event.value == "<<" and event.style is None:
        return "merge keys (<<) are not read; write the keys out, and quote a text that is '<<'"
    return None


def _unreadable(error: MarkedYAMLError) -> UnreadableError:
    mark = error.problem_mark or error.context_mark
    problem = ", ".join(str(part) for part in (error.context, error.problem) if part)
    if isinstance(error, DuplicateKeyError):
        problem = f"{str(error.problem).split(' with value')[0]}; every key may stand once"
    else:
        problem = f"not valid YAML: {problem}"
    return UnreadableError(None if mark is None else mark.line + 1, problem)


def _plain(node: object, line: int, field: str) -> object:
    if isinstance(node, CommentedMap):
        return {_key(key, node, field): _plain(value, *_at(node, key, field)) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value, node.lc.item(i)[0] + 1, f"{field}.{i}") for i, value in enumerate(node)]
    if node is None or isinstance(node, bool):
        return node
    if isinstance(node, int) and abs(node) > sys.float_info.max:
        raise UnreadableError(line, "the number is too large; at most 1.79e308 can be read", field)
    if isinstance(node, str) and not _storable(node):
        raise UnreadableError(line, HALF, field)
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    raise UnreadableError(line, f"found {node}; only text, numbers, lists and mappings are read (quote it?)", field)


def _key(key: object, node: CommentedMap, field: str) -> str:
    if isinstance(key, str) and _storable(key):
        return str(key)
    raise UnreadableError(node.lc.key(key)[0] + 1, f"the key {key!r} should be text; quote it", field)


def _at(node: CommentedMap, key: object, field: str) -> tuple[int, str]:
    return node.lc.key(key)[0] + 1, f"{field}.{key}".lstrip(".")


def _storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
