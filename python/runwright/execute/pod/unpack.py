"""Zips into folders: the code and the luggage. Nothing leaves the folder."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH101, PTH103, PTH104, PTH108, PTH110, PTH123

from __future__ import annotations

import os

from ..failure import Failed, text_of
from . import intake

TYPE_CHECKING = False  # `typing` costs milliseconds, and annotations are never evaluated
if TYPE_CHECKING:
    from typing import Any

    from . import Places

_DAMAGED = "run it again; if it comes again, please report this"


def luggage(places: Places, pieces: int, folder: str) -> None:
    """Put the files that travelled beside the Job into the run's folder. Raises Failed with cause `NotStarted`."""
    path = f"{places.temporary}/luggage.zip"
    with open(path, "wb") as joined:
        for number in range(pieces):
            with open(intake.piece(places, number), "rb") as file:
                joined.write(file.read())
    # The items of a map hold URLs: they stay where they are.
    unpack(path, folder, "the inputs that travelled with the run", but=intake.ITEMS)
    os.unlink(path)


def item(places: Places, pieces: int, index: int) -> Any:
    """What an item of a map has for itself, from the luggage; None where the luggage holds none. Raises OSError or ValueError."""
    import io
    import zipfile
    import zlib

    from .. import quickjson

    joined = io.BytesIO()
    for number in range(pieces):
        with open(intake.piece(places, number), "rb") as file:
            joined.write(file.read())
    try:
        with zipfile.ZipFile(joined) as archive:
            if intake.ITEMS not in archive.namelist():
                return None
            with archive.open(intake.ITEMS) as lines:
                line = next((line for number, line in enumerate(lines) if number == index), None)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"the luggage is damaged: {text_of(error)}") from error
    return None if line is None else quickjson.loads(line)


def code(places: Places, given: Any) -> Any:
    """Put the code below `home/code`. Returns its folder, None where there is no code. Raises Failed with cause `NotStarted`."""
    if not given:
        return None
    if given == "volume":
        path = places.code
    elif given == "annotation":
        path = f"{places.temporary}/code.zip"
        try:
            content = intake.code_zip(f"{places.job}/code")
        except ValueError as error:
            raise Failed("NotStarted", f"the code cannot be unpacked: {text_of(error)}", _DAMAGED) from error
        with open(path, "wb") as file:
            file.write(content)
    else:
        path = _fetched(places, given)
    import hashlib

    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    folder = f"{places.home}/code/{digest}"
    if not os.path.exists(folder):  # a container that was started anew has it already
        draft = f"{folder}.partial"
        os.makedirs(draft, exist_ok=True)
        unpack(path, draft, "the code")
        os.rename(draft, folder)
    if path != places.code:
        os.unlink(path)
    return folder


def _fetched(places: Places, given: dict[str, Any]) -> str:
    from ..inputs import fetch

    try:
        return fetch(given, places.temporary, "the code")
    except Failed as error:
        raise Failed("NotStarted", error.message, error.cure) from error


def unpack(path: str, folder: str, what: str, but: str | None = None) -> None:
    """Unpack a zip into a folder, all `but` one file. Raises Failed with cause `NotStarted`; nothing is written where a name leads out of the folder."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries:
                if not _stays(entry):
                    raise Failed("NotStarted", f"{what} cannot be unpacked: {entry.filename!r} leads out of the folder", _DAMAGED)
            for entry in entries:
                if entry.filename == but:
                    continue
                target = archive.extract(entry, folder)
                # A program stays one.
                if not entry.is_dir() and (entry.external_attr >> 16) & 0o100:
                    os.chmod(target, 0o755)  # noqa: S103
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
        raise Failed("NotStarted", f"{what} cannot be unpacked: {text_of(error)}", _DAMAGED) from error
    except OSError as error:
        raise Failed("NotStarted", f"{what} cannot be unpacked: {text_of(error)}", "give the pod more disk, or run it again") from error


def _stays(entry: Any) -> bool:
    import stat

    parts = entry.filename.replace("\\", "/").split("/")
    return not (entry.filename.startswith(("/", "\\")) or ".." in parts or stat.S_ISLNK(entry.external_attr >> 16))
