"""The environment of an image's containers: what makes packages and code importable and their scripts found."""

from __future__ import annotations

# What a container finds programs by where its image says nothing.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def free_prefix(base: dict[str, str], prefix: str) -> str:
    """The prefix, or where the base was built with it already, the first of `<prefix>-2`, `<prefix>-3`, … that it was not."""
    used = _split(base.get("PYTHONPATH"))
    number, name = 1, prefix
    while any(path.startswith(f"{name}/") for path in used):
        number += 1
        name = f"{prefix}-{number}"
    return name


def with_packages(base: dict[str, str], folder: str, more: list[str]) -> dict[str, str]:
    """The base's with a folder of packages before all else; `more` are folders that its .pth files name."""
    return {
        **base,
        "PATH": f"{folder}/bin:{base.get('PATH') or PATH}",
        "PYTHONPATH": ":".join([folder, *more, *_split(base.get("PYTHONPATH"))]),
    }


def complete(base: dict[str, str], under: dict[str, str], wanted: dict[str, str], code: str | None) -> dict[str, str]:
    """The whole image's.

    Args:
        base: of the base image.
        under: of the image with the packages (the base itself, where there are none).
        wanted: what the user asks for; it wins, but for the folders that have to be on PATH and PYTHONPATH.
        code: the folder of the code, or None.
    """
    settled = {**under, **{name: value for name, value in wanted.items() if name not in ("PATH", "PYTHONPATH")}}
    for name in ("PATH", "PYTHONPATH"):
        added = [path for path in _split(under.get(name)) if path not in _split(base.get(name))]
        if name in wanted:
            settled[name] = ":".join([*added, *_split(wanted[name])])
    if code:
        settled["PYTHONPATH"] = ":".join([code, *_split(settled.get("PYTHONPATH"))])
    return settled


def _split(value: str | None) -> list[str]:
    return [part for part in (value or "").split(":") if part]
