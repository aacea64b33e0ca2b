"""How large the wheel is, and what it requires."""

from __future__ import annotations

import io
import json
import zipfile
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlparse

from ..bench import Bench

NOTES: list[str] = []
LIMIT = 15e6


def measure(bench: Bench) -> None:
    """Add the lines."""
    size, how = size_of(bench.wheel)
    bench.add(f"the wheel's size{how}", "≤ 15 MB", f"**{size / 1e6:.2f} MB**", size <= LIMIT)
    needed = [each for each in metadata.requires("runwright") or [] if "extra ==" not in each]
    bench.add("required Python dependencies", "0", f"**{len(needed)}**" + (f": {', '.join(needed)}" if needed else ""), not needed)


def size_of(wheel: Path | None) -> tuple[int, str]:
    """Bytes, and how that was found where it is not the wheel itself."""
    if wheel is None:
        wheel = installed_from()
    if wheel is not None and wheel.is_file():
        return wheel.stat().st_size, ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in metadata.files("runwright") or []:
            path = Path(str(file.locate()))
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, str(file))
    return len(packed.getvalue()), " (its file is gone: what is installed, packed again)"


def installed_from() -> Path | None:
    """The wheel that the installed package came from, if it came from a file."""
    text = metadata.distribution("runwright").read_text("direct_url.json")
    url = urlparse(json.loads(text)["url"]) if text else None
    return Path(unquote(url.path)) if url is not None and url.scheme == "file" else None
