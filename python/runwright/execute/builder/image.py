"""An image's two documents, read and made longer. Nothing here asks anybody."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform as machine
from dataclasses import dataclass
from typing import Any

from .failures import BaseImageError
from .repository import DOCKER_INDEX, DOCKER_MANIFEST, LONGEST_MANIFEST, OCI_INDEX, OCI_MANIFEST, Document
from .steady import Steady

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm", "i686": "386"}


def this_platform() -> str:
    """What images of this machine's kind say of themselves: `linux/amd64`."""
    name = machine.machine().lower()
    return f"linux/{_ARCHITECTURES.get(name, name)}"


def fits(platform: str, wanted: str) -> bool:
    """Whether an image for one platform runs on another: `linux/arm/v7` on `linux/arm`."""
    return f"{platform}/".startswith(f"{wanted}/")


@dataclass(frozen=True)
class Layer:
    """One layer: compressed as it is stored, and what it is once it is not."""

    digest: str
    size: int
    diff_id: str
    what: str


@dataclass(frozen=True)
class Image:
    """A manifest with its config."""

    document: Document
    manifest: dict[str, Any]
    config: dict[str, Any]

    @property
    def layers(self) -> list[dict[str, Any]]:
        """What the manifest says of each layer."""
        return list(self.manifest["layers"])

    @property
    def size(self) -> int:
        """Bytes of all layers, compressed."""
        return sum(int(layer["size"]) for layer in self.layers)

    @property
    def platform(self) -> str:
        """`linux/amd64`, `linux/arm/v7`."""
        return "/".join(str(self.config[key]) for key in ("os", "architecture", "variant") if self.config.get(key))

    @property
    def environment(self) -> dict[str, str]:
        """What its containers' environment has."""
        entries = (self.config.get("config") or {}).get("Env") or []
        return {name: value for name, _, value in (str(entry).partition("=") for entry in entries)}


def find(place: Any, version: str, platform: str) -> Image:
    """The image of a name or digest for a platform.

    Args:
        place: a `Repository` or `LayoutFolder`.

    Raises:
        BaseImageError: if there is none, or none for the platform. RegistryError, OSError.
    """
    shown = f"{place.name}{'@' if version.startswith('sha256:') else ':'}{version}" if version else place.name
    document = place.manifest(version)
    if document is None:
        raise BaseImageError(f"there is no image {shown}", "check its name and tag")
    content = _read(document.raw, shown)
    if document.media_type in (OCI_INDEX, DOCKER_INDEX) or ("manifests" in content and "config" not in content):
        document = place.manifest(_choose(content, platform, shown))
        if document is None:
            raise BaseImageError(
                f"{shown} names an image for {platform} that is not there", "push the base image again, with all its platforms"
            )
        content = _read(document.raw, shown)
    if not isinstance(content.get("config"), dict) or not isinstance(content.get("layers"), list):
        raise BaseImageError(
            f"{shown} is no image that can be built on ({document.media_type or 'its first, obsolete form'})", "push it with a newer tool"
        )
    if not document.media_type:
        document = Document(document.raw, str(content.get("mediaType") or OCI_MANIFEST))
    config = _read(_blob(place, str(content["config"].get("digest"))), shown)
    return Image(document, content, config)


def _choose(index: dict[str, Any], platform: str, shown: str) -> str:
    known = []
    for entry in index["manifests"]:
        about = entry.get("platform") or {}
        name = "/".join(str(about[key]) for key in ("os", "architecture", "variant") if about.get(key))
        if fits(name, platform):
            return str(entry["digest"])
        if "unknown" not in name:
            known.append(name)
    cure = "name another base image, or build on a node that one of these is for"
    raise BaseImageError(f"{shown} has no image for {platform}, only for {', '.join(known) or 'nothing'}", cure)


def _blob(place: Any, digest: str) -> bytes:
    reader = Steady(place, digest)
    try:
        pieces: list[bytes] = []
        while piece := reader.read(1 << 16):
            pieces.append(piece)
            if sum(map(len, pieces)) > LONGEST_MANIFEST:
                raise BaseImageError(f"the config {digest} of {place.name} is longer than {LONGEST_MANIFEST} bytes")
    finally:
        reader.close()
    raw = b"".join(pieces)
    if f"sha256:{hashlib.sha256(raw).hexdigest()}" != digest:
        raise BaseImageError(f"{place.name} gave another content than {digest}", "push the base image again")
    return raw


def _read(raw: bytes, shown: str) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise BaseImageError(f"{shown} has a manifest or config that cannot be read")
    return content


def extend(base: Image, under: Image, layers: list[Layer], environment: dict[str, str], epoch: int | None) -> tuple[Document, bytes]:
    """An image with layers on top: the manifest and the config's bytes. The same arguments give the same bytes.

    Args:
        base: what the whole is built on.
        under: what the layers go on: the base, or what was made of it.
        environment: all of it, not only what is new.
        epoch: seconds that the image is dated with; None for the base's own date.
    """
    config = json.loads(json.dumps(under.config))
    date = (
        config.get("created")
        if epoch is None
        else datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    if date:
        config["created"] = date
    inner = config["config"] = config.get("config") or {}
    inner["Env"] = [f"{name}={value}" for name, value in environment.items()]
    inner["Labels"] = {**(inner.get("Labels") or {}), _BASE_DIGEST: base.document.digest}
    config["rootfs"] = {"type": "layers", "diff_ids": [*config["rootfs"]["diff_ids"], *(layer.diff_id for layer in layers)]}
    said = {"created": date} if date else {}
    config["history"] = [*(config.get("history") or []), *({**said, "created_by": f"runwright build: {layer.what}"} for layer in layers)]
    raw = json.dumps(config, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    docker = under.document.media_type == DOCKER_MANIFEST
    manifest = {
        **under.manifest,
        "config": {**under.manifest["config"], "digest": f"sha256:{hashlib.sha256(raw).hexdigest()}", "size": len(raw)},
        "layers": [
            *under.layers,
            *({"mediaType": DOCKER_LAYER if docker else OCI_LAYER, "digest": layer.digest, "size": layer.size} for layer in layers),
        ],
    }
    # What was said of the base (its date, its source) is not true of this.
    manifest.pop("annotations", None)
    manifest["mediaType"] = under.document.media_type
    return Document(json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode(), under.document.media_type), raw
