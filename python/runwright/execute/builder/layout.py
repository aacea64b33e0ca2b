"""A folder with the form of an OCI image layout: what `skopeo`, `podman`, `crane` and containerd read and write as `oci:`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .failures import BaseImageError, ConfigError
from .reference import LayoutReference
from .repository import OCI_INDEX, Document
from .upload import Blob

_NAME = "org.opencontainers.image.ref.name"
_MARK = '{"imageLayoutVersion": "1.0.0"}'
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class LayoutFolder:
    """A place that images are in. `Repository` is the other kind."""

    def __init__(self, reference: LayoutReference) -> None:
        self.name = reference.name
        self._folder = Path(reference.folder)

    def for_pushing(self) -> LayoutFolder:
        """The same, made if need be. Raises ConfigError, OSError."""
        mark = self._folder / "oci-layout"
        if not mark.exists():
            if self._folder.is_dir() and any(self._folder.iterdir()):
                raise ConfigError(
                    f"target: {self._folder} has other things in it and is no OCI layout", "name an empty folder, or a new one"
                )
            (self._folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            _write(self._folder / "index.json", json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode())
            _write(mark, _MARK.encode())
        return self

    def check_push(self) -> None:
        """Nothing to ask: a folder that was made can be written."""

    def manifest(self, version: str) -> Document | None:
        """What a tag or digest names (nothing: the only image); None where there is no such thing. Raises BaseImageError, OSError."""
        entries = self._entries()
        if version.startswith("sha256:"):
            entry = next((entry for entry in entries if entry.get("digest") == version), {"digest": version})
        elif version:
            entry = next((entry for entry in entries if (entry.get("annotations") or {}).get(_NAME) == version), {})
        elif len(entries) == 1:
            entry = entries[0]
        elif entries:
            raise BaseImageError(f"{self.name} has {len(entries)} images", "say which: oci:/folder:tag")
        else:
            entry = {}
        path = self._path(str(entry.get("digest") or ""))
        if path is None or not path.is_file():
            return None
        raw = path.read_bytes()
        document = Document(raw, str(entry.get("mediaType") or _media_type(raw)))
        if document.digest != entry["digest"]:
            raise BaseImageError(f"{path} is damaged: its content is {document.digest}", "write the layout again")
        return document

    def has(self, digest: str) -> bool:
        """Whether a blob is there."""
        path = self._path(digest)
        return path is not None and path.is_file()

    def complete(self, layers: list[dict[str, Any]]) -> bool:
        """Whether an image's layers are there."""
        return all(layer.get("urls") or self.has(str(layer["digest"])) for layer in layers)

    def open(self, digest: str, offset: int = 0) -> Any:
        """A blob from a position on. Raises OSError."""
        path = self._path(digest)
        if path is None or not path.is_file():
            raise BaseImageError(f"{self.name} lacks {digest}", "write the layout again")
        file = path.open("rb")
        file.seek(offset)
        return file

    def put(self, blob: Blob) -> None:
        """Put a blob. Raises OSError, also where what is read is not what the digest says."""
        path = self._path(blob.digest)
        if path is None:
            raise OSError(f"{blob.digest} is no name for a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _draft(path) as (draft, file):
            seen = hashlib.sha256()
            with contextlib.closing(blob.open(0)) as reader:
                while piece := reader.read(1 << 20):
                    seen.update(piece)
                    file.write(piece)
            if f"sha256:{seen.hexdigest()}" != blob.digest:
                raise OSError(f"what was read is sha256:{seen.hexdigest()}, not {blob.digest}")
            file.close()
            draft.replace(path)

    def mount(self, digest: str, other: object) -> bool:
        """A folder shares nothing with another."""
        return False

    def put_manifest(self, version: str, document: Document) -> None:
        """Give an image its name. Two at once do not lose each other's. Raises OSError."""
        path = self._path(document.digest)
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, document.raw)
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entry = {
                "mediaType": document.media_type,
                "digest": document.digest,
                "size": len(document.raw),
                "annotations": {_NAME: version},
            }
            others = [entry for entry in self._entries() if (entry.get("annotations") or {}).get(_NAME) != version]
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*others, entry]}
            _write(self._folder / "index.json", json.dumps(index, indent=1).encode())

    def _path(self, digest: str) -> Path | None:
        return self._folder / "blobs" / "sha256" / digest[7:] if _DIGEST.fullmatch(digest) else None

    def _entries(self) -> list[dict[str, Any]]:
        try:
            index = json.loads((self._folder / "index.json").read_bytes())
            return [entry for entry in index["manifests"] if isinstance(entry, dict)]
        except FileNotFoundError:
            raise BaseImageError(f"{self._folder} is no OCI layout: it has no index.json") from None
        except (ValueError, KeyError, TypeError):
            raise BaseImageError(f"{self._folder}/index.json cannot be read as an OCI index") from None


def _media_type(raw: bytes) -> str:
    try:
        return str(json.loads(raw).get("mediaType") or "")
    except (ValueError, AttributeError):
        return ""


def _write(path: Path, content: bytes) -> None:
    with _draft(path) as (draft, file):
        file.write(content)
        file.close()
        draft.replace(path)


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[tuple[Path, Any]]:
    """A file beside, which takes the name when it is whole."""
    number, name = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            # As other programs make files: mkstemp's are for its user alone.
            draft.chmod(0o644)
            yield draft, file
    finally:
        draft.unlink(missing_ok=True)
