"""One repository of a registry: manifests and blobs."""

from __future__ import annotations

import hashlib
import http.client
import urllib.parse
from dataclasses import dataclass
from typing import Any

from .failures import RegistryError
from .reference import Reference
from .registry import Registry
from .transport import Answer
from .upload import Blob, upload

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_ACCEPT = ", ".join((OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_INDEX))
# The interface's own limit for manifests.
LONGEST_MANIFEST = 4 << 20


@dataclass(frozen=True)
class Document:
    """A manifest or an index as it is stored."""

    raw: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The name of exactly these bytes."""
        return f"sha256:{hashlib.sha256(self.raw).hexdigest()}"


class Repository:
    """A place that images are in. `LayoutFolder` is the other kind."""

    def __init__(self, registry: Registry, reference: Reference) -> None:
        self.registry = registry
        self.name = reference.name
        self.path = reference.repository
        self._scopes: tuple[str, ...] = (f"repository:{self.path}:pull",)

    def for_pushing(self) -> Repository:
        """The same; from now on the right to push is asked for, too."""
        self._scopes = (f"repository:{self.path}:pull,push",)
        return self

    def manifest(self, version: str) -> Document | None:
        """What a tag or digest names; None where there is no such thing. Raises RegistryError."""
        what = f"reading {self.name}{'@' if version.startswith('sha256:') else ':'}{version}"
        path = f"/v2/{self.path}/manifests/{version}"
        answer = self.registry.ask(
            "GET", path, what=what, scopes=self._scopes, good=(200, 404), headers={"Accept": _ACCEPT}, limit=LONGEST_MANIFEST
        )
        if answer.status == 404:
            return None
        document = Document(answer.content, (answer.headers.get("Content-Type") or "").split(";")[0].strip())
        wanted = version if version.startswith("sha256:") else answer.headers.get("Docker-Content-Digest")
        if wanted and wanted.startswith("sha256:") and wanted != document.digest:
            message = f"{what}: the registry {self.registry.host} gave something else ({document.digest})"
            raise RegistryError(message, "what is between here and the registry changes what goes through", self.registry.host, 200)
        return document

    def has(self, digest: str) -> bool:
        """Whether a blob is there. Raises RegistryError."""
        path = f"/v2/{self.path}/blobs/{digest}"
        what = f"asking {self.name} for {digest}"
        answer = self.registry.ask("HEAD", path, what=what, scopes=self._scopes, good=(200, 404))
        answer.close()
        return answer.status == 200

    def complete(self, layers: list[dict[str, Any]]) -> bool:
        """Whether an image's layers are there. A registry takes no manifest without them."""
        return True

    def open(self, digest: str, offset: int = 0) -> Answer:
        """A blob from a position on. Raises RegistryError."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        path = f"/v2/{self.path}/blobs/{digest}"
        answer = self.registry.ask(
            "GET", path, what=f"reading {digest} of {self.name}", scopes=self._scopes, good=(200, 206), headers=headers
        )
        # One that gives no parts gives all of it.
        left = offset if answer.status == 200 else 0
        while left > 0 and (skipped := answer.read(min(left, 1 << 20))):
            left -= len(skipped)
        return answer

    def put_manifest(self, version: str, document: Document) -> None:
        """Give an image its name. What it consists of must be there. Raises RegistryError."""
        path = f"/v2/{self.path}/manifests/{version}"
        answer = self.registry.ask(
            "PUT", path, what=f"naming {self.name}:{version}", scopes=self._scopes, good=(200, 201, 202),
            headers={"Content-Type": document.media_type}, body=document.raw,
        )  # fmt: skip
        answer.close()

    def put(self, blob: Blob) -> None:
        """Put a blob. Raises RegistryError, and what reading it raises."""
        upload(self, blob)

    def mount(self, digest: str, other: Repository) -> bool:
        """Take a blob over from another repository of this registry; false where that is not allowed or not possible."""
        try:
            answer = self.begin((digest, other.path))
        except RegistryError as error:
            if error.status in (401, 403, 404, 405):
                return False
            raise
        answer.close()
        if answer.status == 202:
            self.cancel(self.address(answer))
        return answer.status == 201

    def begin(self, mount: tuple[str, str] | None = None) -> Answer:
        """Begin an upload: 202 with its address, or 201 where the blob of another repository (`digest, path`) was taken over.

        Raises:
            RegistryError: if it refuses.
        """
        path, what = f"/v2/{self.path}/blobs/uploads/", f"pushing to {self.name}"
        scopes = self._scopes
        if mount is not None:
            digest, other = mount
            path += "?" + urllib.parse.urlencode({"mount": digest, "from": other})
            scopes = (*scopes, f"repository:{other}:pull")
            what = f"taking {digest} from {other} over to {self.name}"
        headers = {"Content-Length": "0"}
        return self.registry.ask("POST", path, what=what, scopes=scopes, good=(201, 202), headers=headers, follow=False)

    def check_push(self) -> None:
        """Find out that pushing is allowed before minutes are spent. Raises RegistryError."""
        answer = self.begin()
        answer.close()
        self.cancel(self.address(answer))

    def cancel(self, address: str) -> None:
        """Give an upload up. One that stays is removed by the registry after a while."""
        try:
            self.registry.once("DELETE", address, self._scopes, {"Content-Length": "0"}).close()
        except (OSError, http.client.HTTPException, RegistryError):
            return

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a token must be for."""
        return self._scopes

    def address(self, answer: Answer) -> str:
        """Where an upload goes on. Raises RegistryError where the registry does not say."""
        place = answer.headers.get("Location")
        if not place:
            message = f"pushing to {self.name}: the registry {self.registry.host} did not say where the upload goes on"
            raise RegistryError(message, None, self.registry.host, answer.status)
        whole = urllib.parse.urljoin(answer.url, place)
        asked, given = urllib.parse.urlsplit(answer.url), urllib.parse.urlsplit(whole)
        # A registry behind something that does TLS for it may not know that it is asked with https.
        return whole if asked.netloc != given.netloc else given._replace(scheme=asked.scheme).geturl()
