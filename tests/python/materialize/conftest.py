"""Fixtures for the materializers."""

from __future__ import annotations

import hashlib
import json

import pytest


@pytest.fixture
def roundtrip(tmp_path):
    """`roundtrip(value) -> (descriptor, value read back)`, checking what holds for every descriptor."""
    from runwright import materialize

    def go(value, relative="outputs/x"):
        descriptor = materialize.write(value, str(tmp_path), relative)
        travelled = json.loads(json.dumps(descriptor, allow_nan=False))
        assert travelled == descriptor
        assert len(json.dumps(descriptor)) < 200_000
        if descriptor["type"] == "value":
            assert "path" not in descriptor and "size" not in descriptor
            assert not (tmp_path / relative).exists()
        else:
            file = tmp_path / descriptor["path"]
            assert file.parent == tmp_path / relative
            content = file.read_bytes()
            assert descriptor["size"] == len(content)
            assert descriptor["sha256"] == hashlib.sha256(content).hexdigest()
            assert not [p for p in file.parent.iterdir() if p.name.startswith(".tmp")]
        return descriptor, materialize.read(travelled, str(tmp_path))

    return go


@pytest.fixture
def fails(tmp_path):
    """`fails(value) -> MaterializeFailed`, checking that nothing is left and that it says what to do."""
    from runwright import materialize

    def go(value, **options):
        with pytest.raises(materialize.MaterializeFailed) as caught:
            materialize.write(value, str(tmp_path), "outputs/x", name="clean", **options)
        assert "'clean'" in caught.value.message
        assert caught.value.cure
        assert not (tmp_path / "outputs").exists()
        return caught.value

    return go


@pytest.fixture
def no_user_materializers(monkeypatch):
    """Forget what a test registers."""
    from runwright.materialize import registry

    before = list(registry.registered())
    monkeypatch.setattr(registry, "_from_entry_points", None)
    yield
    registry.registered()[:] = before
