"""What a registry wants to be shown: a name and password, or a token that another server gives for them."""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import Any

from .credentials import Login
from .failures import RegistryError
from .transport import AGENT, Transport

_CHALLENGE = re.compile(r"(?:^|,)\s*(Bearer|Basic)\b", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))')
_LONGEST = 1 << 20


class Tokens:
    """The Authorization for one registry and one login. Tokens are kept for as long as the registry takes them."""

    def __init__(self, transport: Transport, host: str, login: Login | None) -> None:
        self._transport = transport
        self._host = host
        self._login = login
        self._known: dict[tuple[str, ...], str] = {}

    def header(self, scopes: tuple[str, ...]) -> str | None:
        """The header's value for what the scopes name, or None where nothing has been asked for yet."""
        if self._login is not None and self._login.registry_token:
            return f"Bearer {self._login.registry_token}"
        return self._known.get(scopes) or self._known.get(())

    def obtain(self, challenges: list[str], scopes: tuple[str, ...]) -> bool:
        """Get what a 401 asks for; false where there is nothing to show. Raises RegistryError, and what `Transport.ask` raises."""
        for challenge in _split(challenges):
            kind, parameters = challenge
            if kind == "basic" and self._login is not None and self._login.password:
                self._known[()] = self._login.basic
                return True
            if kind == "bearer" and parameters.get("realm"):
                self._known[scopes] = f"Bearer {self._token(parameters, scopes)}"
                return True
        return False

    def forget(self, scopes: tuple[str, ...]) -> None:
        """What was shown is not taken any more."""
        self._known.pop(scopes, None)
        self._known.pop((), None)

    def _token(self, parameters: dict[str, str], scopes: tuple[str, ...]) -> str:
        realm = parameters["realm"]
        asked = [("service", parameters["service"])] if parameters.get("service") else []
        asked += [("scope", scope) for scope in scopes or tuple(parameters.get("scope", "").split())]
        login = self._login
        headers = {"Accept": "application/json"}
        if login is not None and login.identity_token:
            form = [("grant_type", "refresh_token"), ("client_id", AGENT), ("refresh_token", login.identity_token)]
            # Here several scopes are one field.
            scope = " ".join(value for name, value in asked if name == "scope")
            body = urllib.parse.urlencode([*form, *(pair for pair in asked if pair[0] != "scope"), ("scope", scope)])
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            answer = self._transport.ask("POST", realm, headers, body.encode(), follow=False)
        else:
            if login is not None and login.password:
                headers["Authorization"] = login.basic
            url = realm + ("&" if "?" in realm else "?") + urllib.parse.urlencode(asked)
            answer = self._transport.ask("GET", url, headers)
        raw = answer.whole(_LONGEST)
        if answer.status in (429, 500, 502, 503, 504):
            raise OSError(f"{_place(realm)}, which gives its tokens, answered {answer.status} {answer.reason}")
        token = _token_in(raw) if answer.status == 200 else None
        if not token:
            who = str(login) if login is not None else "without a login"
            message = f"{_place(realm)}, which gives the tokens of the registry {self._host}, refused: it answered {answer.status} {answer.reason}, asked {who}"
            raise RegistryError(message, cure_of_refusal(self._host, login), self._host, answer.status)
        return token


def cure_of_refusal(host: str, login: Login | None) -> str:
    """What helps where a registry does not let somebody in."""
    if login is None:
        return f"give the credentials of {host}: a docker config.json with an entry for it"
    return f"check the entry of {host} in {login.source} (it may have expired), and what that login may do there"


def _token_in(raw: bytes) -> str | None:
    try:
        content: Any = json.loads(raw)
        token = content.get("token") or content.get("access_token")
    except (ValueError, AttributeError):
        return None
    return token if isinstance(token, str) and token and "\n" not in token and "\r" not in token else None


def _place(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _split(headers: list[str]) -> list[tuple[str, dict[str, str]]]:
    """Each challenge with its parameters. One header may hold several; commas are in the quoted scopes, too."""
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        begins = [match for match in _CHALLENGE.finditer(header) if header[: match.start()].count('"') % 2 == 0]
        for number, match in enumerate(begins):
            end = begins[number + 1].start() if number + 1 < len(begins) else len(header)
            pairs = _PARAMETER.findall(header[match.end() : end])
            found.append((match[1].lower(), {name.lower(): quoted.replace('\\"', '"') or bare for name, quoted, bare in pairs}))
    # A token says who asks and what for, and goes no further than that.
    return sorted(found, key=lambda challenge: challenge[0] != "bearer")
