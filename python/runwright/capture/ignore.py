"""`.runwrightignore` (or else `.gitignore`) of a folder: the common part of the format."""

from __future__ import annotations

import re
from pathlib import Path


class Ignore:
    """Patterns; the last one that matches decides.

    `!` keeps. A slash in front or in the middle ties a pattern to the root, one at the end means folders only.
    """

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[re.Pattern[str], bool, bool]] = []
        for raw in text.splitlines():
            line = raw.rstrip()
            if not line or line.startswith("#"):
                continue
            keeps = line.startswith("!")
            line = line.removeprefix("!").removeprefix("\\")
            folder = line.endswith("/")
            line = line.rstrip("/")
            anchored = "/" in line
            pattern = ("" if anchored else "(?:.*/)?") + _translate(line.lstrip("/"))
            try:
                self._rules.append((re.compile(pattern + r"\Z"), keeps, folder))
            except re.error:
                continue

    @classmethod
    def of_folder(cls, root: Path) -> Ignore:
        """That of a folder; one that cannot be read as text ignores nothing."""
        file = next((one for one in (root / ".runwrightignore", root / ".gitignore") if one.is_file()), None)
        try:
            return cls(file.read_text("utf-8") if file else "")
        except (OSError, UnicodeDecodeError):
            return cls("")

    def leaves_out(self, path: str, is_folder: bool) -> bool:
        """Whether a relative path is left out."""
        out = False
        for pattern, keeps, folders_only in self._rules:
            if (is_folder or not folders_only) and pattern.match(path):
                out = not keeps
        return out

    def leaves_out_any(self, path: str) -> bool:
        """Whether a file or one of the folders above it is left out."""
        above = [path[:at] for at, c in enumerate(path) if c == "/"]
        return any(self.leaves_out(folder, True) for folder in above) or self.leaves_out(path, False)


def _translate(pattern: str) -> str:
    out = ""
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif pattern[at] == "*":
            out, at = out + "[^/]*", at + 1
        elif pattern[at] == "?":
            out, at = out + "[^/]", at + 1
        elif pattern[at] == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            body = pattern[at + 1 : end].replace("\\", "\\\\")
            out, at = out + "[" + ("^" + body[1:] if body[0] in "!^" else body) + "]", end + 1
        else:
            out, at = out + re.escape(pattern[at]), at + 1
    return out
