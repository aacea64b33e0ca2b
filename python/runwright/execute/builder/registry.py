"""One registry as the OCI distribution interface sees it: asking, being let in, trying again."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .credentials import Login
from .failures import RegistryError, redacted
from .tokens import Tokens, cure_of_refusal
from .transport import Answer, Transport

TEMPORARY = (408, 429, 500, 502, 503, 504)
_LONGEST_ERROR = 64 * 1024
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Patience:
    """How often something is tried, and how long the pause before the second time is (it doubles)."""

    attempts: int = 5
    pause: float = 0.5

    def wait(self, number: int, asked_for: float | None = None) -> float:
        """Seconds before attempt `number` + 1 (of which the first is 1). A registry may ask for a longer pause."""
        return min(_LONGEST_WAIT, max(self.pause * 2 ** (number - 1), asked_for or 0.0))


class Registry:
    """A host, asked as somebody (or nobody)."""

    def __init__(self, host: str, transport: Transport, login: Login | None, patience: Patience, say: Callable[[str], None]) -> None:
        self.host = host
        self.patience = patience
        self.say = say
        self._transport = transport
        self._login = login
        self._tokens = Tokens(transport, host, login)
        self._url = transport.base(host)

    @property
    def who(self) -> str:
        """Who asks, for people."""
        return str(self._login) if self._login is not None else "without a login"

    def ask(
        self,
        method: str,
        path: str,
        *,
        what: str,
        scopes: tuple[str, ...],
        good: tuple[int, ...],
        headers: dict[str, str] | None = None,
        body: Callable[[], Any] | bytes | None = None,
        follow: bool = True,
        limit: int | None = None,
    ) -> Answer:
        """Ask until there is an answer that means something.

        Args:
            path: below the registry, or a whole URL that it gave.
            what: what is being done, for people.
            good: statuses that are returned; all others raise.
            body: bytes, or what makes the body anew for each attempt.
            limit: read a good answer whole, into its `content`, at most so many bytes.

        Raises:
            RegistryError: if it refuses, or does not answer after some attempts.
        """
        for number in range(1, self.patience.attempts + 1):
            last = number == self.patience.attempts
            try:
                answer = self._let_in(method, path, scopes, headers or {}, body=body, follow=follow)
                if limit is not None and answer.status in good:
                    answer.content = answer.whole(limit)
            except (OSError, http.client.HTTPException) as error:
                if last or self._hopeless(error) is not None:
                    raise self._silent(what, error, number) from error
                self.pause(number, f"did not answer ({explain(error)})")
                continue
            if answer.status in good:
                return answer
            if last or answer.status not in TEMPORARY:
                raise self.refused(answer, what, number)
            self.pause(number, f"answered {answer.status} {answer.reason}", _seconds(answer.headers.get("Retry-After")))
            answer.close()
        raise AssertionError("the last attempt returns or raises")

    def once(self, method: str, path: str, scopes: tuple[str, ...], headers: dict[str, str], body: Any = None) -> Answer:
        """Ask once. Raises OSError, http.client.HTTPException, RegistryError."""
        return self._let_in(method, path, scopes, headers, body=body, follow=False)

    def pause(self, number: int, why: str, asked_for: float | None = None) -> None:
        """Wait before the next attempt, and say so."""
        seconds = self.patience.wait(number, asked_for)
        self.say(f"the registry {self.host} {why}; trying again in {seconds:g} s ({number + 1} of {self.patience.attempts})")
        time.sleep(seconds)

    def refused(self, answer: Answer, what: str, attempts: int = 1) -> RegistryError:
        """The failure that an answer means. The answer is read and closed."""
        said = _said(answer)
        times = f" ({attempts} times)" if attempts > 1 else ""
        message = f"{what}: the registry {self.host} answered {answer.status} {answer.reason}{times}{said}, asked {self.who}"
        return RegistryError(message, self._cure(answer.status, said), self.host, answer.status)

    def _let_in(self, method: str, path: str, scopes: tuple[str, ...], headers: dict[str, str], *, body: Any, follow: bool) -> Answer:
        url = path if "://" in path else f"{self._url}{path}"
        for again in (False, True):
            shown = self._tokens.header(scopes)
            whole = {**headers, "Authorization": shown} if shown else headers
            # What is not below the registry gets no login: its own addresses are signed.
            whole = whole if url.startswith(f"{self._url}/") else headers
            answer = self._transport.ask(method, url, whole, body() if callable(body) else body, follow)
            if answer.status != 401 or again:
                return answer
            challenges = answer.headers.get_all("WWW-Authenticate") or []
            # A token that was good before may have expired.
            self._tokens.forget(scopes)
            if not self._tokens.obtain(challenges, scopes):
                return answer
            answer.close()
        raise AssertionError("the second attempt returns")

    def _hopeless(self, error: BaseException) -> str | None:
        """What to do about an error that will be the same next time; None where trying again may help."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"give the authority that signed the certificate of {self.host} (`certificates`), or, on a network you trust, name it in `insecure`"
        if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return f"it speaks plain http, it seems: name {self.host} in `insecure`, if you trust the network"
        return None

    def _silent(self, what: str, error: BaseException, attempts: int) -> RegistryError:
        times = f" ({attempts} times)" if attempts > 1 else ""
        cure = self._hopeless(error) or f"check that {self.host} is right and can be reached from here"
        return RegistryError(f"{what}: the registry {self.host} did not answer{times}: {explain(error)}", cure, self.host)

    def _cure(self, status: int, said: str) -> str | None:
        if status in (401, 403):
            return cure_of_refusal(self.host, self._login)
        if status == 429:
            return "it allows only so many requests: wait, or give credentials (which often have a higher limit)"
        if status == 400 and "HTTPS" in said:
            return f"it speaks https: do not name {self.host} in `insecure`"
        if status == 404:
            return "check the name of the repository; some registries want it to be made beforehand"
        if status == 413:
            return "what is in front of the registry limits the size of a request: raise that limit"
        if status >= 500:
            return "look at the registry's own log; what was pushed so far is not pushed again"
        return None


def explain(error: BaseException) -> str:
    """An error of the network in few words."""
    text = str(error) or type(error).__name__
    if isinstance(error, TimeoutError) or "timed out" in text:
        return "nothing came for too long"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended in the middle"
    return redacted(text)


def _said(answer: Answer) -> str:
    """What the registry says about it, in brackets: its error codes, or the beginning of its text."""
    try:
        raw = answer.whole(_LONGEST_ERROR).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    try:
        errors = json.loads(raw)["errors"]
        parts = [": ".join(str(error[key]) for key in ("code", "message") if error.get(key)) for error in errors[:3]]
        text = "; ".join(parts)
    except (ValueError, KeyError, TypeError, AttributeError):
        text = " ".join(raw.split())[:200] if "<html" not in raw.lower() else ""
    return f" ({redacted(text)})" if text else ""


def _seconds(value: str | None) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        return None
