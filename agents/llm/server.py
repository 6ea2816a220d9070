"""Is there an OpenAI-compatible server at an address, and does it have the model? Asked once, before a run begins."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from agents.llm.redact import redact
from agents.llm.replies import shown

_PATIENCE = 10.0  # seconds


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody: the key would be sent along."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        """None: the redirect becomes an HTTPError."""


def check_server(base_url: str, name: str, key: str | None, key_name: str) -> None:
    """ValueError, naming the address and the fix, unless the server answers and has the model `name`.

    `key` is the provider's key, if there is one, and `key_name` the environment variable it comes from.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url {redact(base_url)!r} is no address; give one like http://localhost:8000/v1")
    try:
        body = _get(f"{base_url.rstrip('/')}/models", key)
    except urllib.error.HTTPError as error:
        _refused(base_url, error.code, key_name)
        return
    except http.client.HTTPException as error:
        reason = shown(redact(f"{type(error).__name__}: {error}"), 100)
        raise ValueError(
            f"there is no OpenAI-compatible server at {redact(base_url)} ({reason}); "
            "correct base_url, which usually ends in /v1"
        ) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ValueError(
            f"cannot reach the model server at {redact(base_url)} ({shown(redact(str(reason)), 100)}). Start it "
            f"(vLLM's with: solon serve {name}), or correct base_url: http://HOST:PORT for vllm:NAME, "
            "http://HOST:PORT/v1 for openai:NAME"
        ) from None
    _has_model(base_url, name, _names(body))


def root(base_url: str) -> str:
    """The address of the server itself: OpenAI's paths stand below /v1, vLLM's own beside it."""
    return base_url.rstrip("/").removesuffix("/v1")


def _get(url: str, key: str | None) -> bytes:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    opener = urllib.request.build_opener(_Stay)
    with opener.open(urllib.request.Request(url, headers=headers), timeout=_PATIENCE) as reply:
        return reply.read(1 << 20)


def _refused(base_url: str, status: int, key_name: str) -> None:
    if 300 <= status < 400:
        raise ValueError(
            f"{redact(base_url)} answers with a redirect (HTTP {status}), which is not followed; give the address it "
            "leads to as base_url, if that is the model server"
        )
    if status in (401, 403):
        raise ValueError(
            f"the model server at {redact(base_url)} refuses access (HTTP {status}); "
            f"put its key into the environment variable {key_name}"
        )
    if status == 404 and not urlsplit(base_url).path.rstrip("/").endswith("v1"):
        raise ValueError(
            f"{redact(base_url)} answers, but not as an OpenAI-compatible server (HTTP 404 for /models); "
            f"is base_url={redact(base_url).rstrip('/')}/v1 meant?"
        )


def _names(body: bytes) -> list[str]:
    """The models that a server lists; none where its answer is of another form."""
    try:
        return [str(model["id"]) for model in json.loads(body)["data"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _has_model(base_url: str, name: str, names: list[str]) -> None:
    if names and not any(known == name or known.startswith(f"{name}:") for known in names):
        listed = ", ".join(shown(n, 80) for n in names[:10])
        raise ValueError(f"the server at {redact(base_url)} has no model {name!r}; it has: {listed}")
