"""Container images as archives in docker's `save` format, the same bytes for the same content."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.settings import ARCHITECTURE

# The date of everything that a build makes; only what an archive brought along keeps its own.
EPOCH = 1735689600


def folder_layer(root: Path, target: Path, built_since: float, below: str = ".", capabilities: dict[str, int] | None = None) -> None:
    """A root file system, or what is in it below a folder, as a layer. Files changed since the build began get a fixed date.

    The others keep theirs: Python's compiled files name the date of their source. `capabilities`: programs that have one (by its number) instead of
    being root's.
    """

    def neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uname = entry.gname = ""
        entry.mtime = EPOCH if entry.mtime >= built_since else int(entry.mtime)
        if capabilities and entry.name in capabilities:
            entry.mode = 0o755
            # Version 2, effective; permitted and inheritable, twice 32 bits.
            value = struct.pack("<5I", 0x02000001, 1 << capabilities[entry.name], 0, 0, 0)
            entry.pax_headers = {"SCHILY.xattr.security.capability": value.decode("utf-8", "surrogateescape")}
        return entry

    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT if capabilities else tarfile.GNU_FORMAT) as layer:
        for path in sorted((root / below).rglob("*")):
            layer.add(path, path.relative_to(root).as_posix(), recursive=False, filter=neutral)


def small_layer(target: Path, folders: Iterable[tuple[str, int]], files: dict[str, tuple[bytes, int]], links: dict[str, str]) -> None:
    """A layer from what is given: folders with modes, files with contents and modes, symbolic links with targets."""
    entries: list[tuple[tarfile.TarInfo, bytes]] = []
    for name, mode in folders:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        entries.append((entry, b""))
    for name, (content, mode) in files.items():
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), mode
        entries.append((entry, content))
    for name, destination in links.items():
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, destination, 0o777
        entries.append((entry, b""))
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as layer:
        for entry, content in entries:
            entry.mtime = EPOCH
            layer.addfile(entry, io.BytesIO(content))


def image(target: Path, layers: list[Path], tag: str, command: list[str], environment: dict[str, str]) -> None:
    """An image of layers, the lowest first."""
    digests = [_sha256(layer) for layer in layers]
    configuration = {
        "architecture": ARCHITECTURE,
        "os": "linux",
        "created": "2025-01-01T00:00:00Z",
        "config": {"Cmd": command, "Env": [f"{name}={value}" for name, value in environment.items()]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    configuration_bytes = json.dumps(configuration, sort_keys=True).encode()
    configuration_name = hashlib.sha256(configuration_bytes).hexdigest() + ".json"
    names = [f"{digest}/layer.tar" for digest in digests]
    manifest = [{"Config": configuration_name, "RepoTags": [tag], "Layers": names}]
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in ((configuration_name, configuration_bytes), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), EPOCH
            archive.addfile(entry, io.BytesIO(content))
        for name, layer in zip(names, layers, strict=True):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = layer.stat().st_size, EPOCH
            with layer.open("rb") as layer_content:
                archive.addfile(entry, layer_content)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
