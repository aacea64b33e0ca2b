"""The stages of a Dockerfile: what it is built on, and what its last one is called."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FROM = re.compile(r"\s*FROM\s+((?:--\S+\s+)*)(\S+)(?:\s+AS\s+(\S+))?\s*", re.IGNORECASE)
# A text within the Dockerfile, by the word that ends it.
_TEXT = re.compile(r"<<-?([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1")
_WITH_TEXTS = re.compile(r"\s*(?:RUN|COPY|ADD)\s", re.IGNORECASE)


def bases(dockerfile: str) -> list[str]:
    """The images that it is built on, in order, each once; not those whose name is known only when it is executed (`$TAG`)."""
    found: list[str] = []
    stages: set[str] = {"scratch"}
    for _, _, text in _instructions(dockerfile):
        if match := _FROM.fullmatch(text):
            image = match[2]
            if image.lower() not in stages and "$" not in image and image not in found:
                found.append(image)
            stages.update({match[3].lower()} if match[3] else ())
    return found


def name_last_stage(dockerfile: str, name: str) -> tuple[str, str]:
    """The same with a name for its last stage, and that name: its own where it has one."""
    lines = dockerfile.split("\n")
    last = None
    for first, end, text in _instructions(dockerfile):
        if match := _FROM.fullmatch(text):
            last = (first, end, match)
    if last is None:
        return dockerfile, name
    first, end, match = last
    if match[3]:
        return dockerfile, match[3]
    lines[first:end] = [f"FROM {match[1]}{match[2]} AS {name}"]
    return "\n".join(lines), name


def _instructions(dockerfile: str) -> Iterator[tuple[int, int, str]]:
    """Each instruction: its first line, the line after its last, and its text on one line (without the texts that come after it)."""
    lines = dockerfile.split("\n")
    at = 0
    while at < len(lines):
        first, text = at, ""
        while at < len(lines):
            line = lines[at]
            at += 1
            if line.lstrip().startswith("#"):
                if not text:
                    first = at
                continue
            text += line.rstrip().removesuffix("\\") + " " if line.rstrip().endswith("\\") else line
            if not line.rstrip().endswith("\\"):
                break
        end = at
        for _, word in _TEXT.findall(text) if _WITH_TEXTS.match(text) else ():
            while at < len(lines) and lines[at].strip() != word:
                at += 1
            at += 1
        if text.strip():
            yield first, end, text
