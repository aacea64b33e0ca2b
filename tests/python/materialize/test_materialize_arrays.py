"""numpy arrays and scipy sparse matrices."""

from __future__ import annotations

import pytest

from runwright import materialize

np = pytest.importorskip("numpy")

ARRAYS = {
    "floats": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "no dimension": np.array(5),
    "empty": np.zeros((0, 3)),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "big endian": np.array([1, 2], dtype=">i4"),
    "text": np.array(["a", "größe"]),
    "bytes": np.array([b"a", b"bc"]),
    "times": np.array(["2024-01-01", "NaT"], dtype="datetime64[ns]"),
    "fields": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8", (1,))]),
    "half": np.array([1, 2], dtype="float16"),
    "view": np.arange(10)[::2],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(roundtrip, name):
    array = ARRAYS[name]
    descriptor, back = roundtrip(array)
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["of"]) == ("artifact", "array", "npy", "numpy.ndarray")
    assert (descriptor["shape"], descriptor["dtype"]) == (list(array.shape), str(array.dtype))
    assert type(back) is np.ndarray and back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_a_large_array_is_written_whole(roundtrip):
    array = np.random.default_rng(0).random((3000, 1000))
    np.testing.assert_array_equal(roundtrip(array)[1], array)


@pytest.mark.parametrize("value", [np.datetime64("2024-01-01T00:00:00.000000001"), np.timedelta64(5, "D"), np.longdouble("1.1")], ids=repr)
def test_scalars_without_a_python_value(roundtrip, value):
    descriptor, back = roundtrip(value)
    assert descriptor["format"] == "npy" and type(back) is type(value) and back == value and back.dtype == value.dtype


@pytest.mark.parametrize(
    "value",
    [
        np.array([1, "a", None], dtype=object),
        np.ma.masked_array([1, 2], mask=[True, False]),
        np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        {"weights": np.arange(3)},
        [np.arange(3), np.arange(2)],
    ],
    ids=["objects", "masked", "records", "dict", "list"],
)
def test_what_npy_cannot_hold_is_pickled(roundtrip, value):
    descriptor, back = roundtrip(value)
    assert descriptor["kind"] == "pickle" and descriptor["note"].startswith("pickled: ")
    assert type(back) is type(value) and str(back) == str(value)


def test_object_arrays_say_why(roundtrip):
    assert roundtrip(np.array([None]))[0]["note"] == "pickled: its elements are Python objects"


def test_reading_an_array_runs_no_code(tmp_path):
    np.save(tmp_path / "a.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(materialize.MaterializeFailed, match="pickle"):
        materialize.read({"path": "a.npy"}, str(tmp_path))


def test_an_npz_from_elsewhere(tmp_path):
    np.savez(tmp_path / "a.npz", x=[1], y=[2.0])
    back = materialize.read({"path": "a.npz", "format": "npz"}, str(tmp_path))
    assert sorted(back) == ["x", "y"] and back["y"][0] == 2.0


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
def test_sparse(roundtrip, form, kind):
    sparse = pytest.importorskip("scipy.sparse")
    value = getattr(sparse, f"{form}_{kind}")(np.array([[0, 1.5], [2, 0], [0, 0]]))
    descriptor, back = roundtrip(value)
    assert descriptor["format"] == ("pickle" if form in ("lil", "dok") else "npz")
    assert type(back) is type(value) and back.shape == (3, 2) and back.dtype == value.dtype
    np.testing.assert_array_equal(back.toarray(), value.toarray())
    if descriptor["format"] == "npz":
        assert (descriptor["of"], descriptor["stored"]) == (f"scipy.sparse.{form}_{kind}", value.nnz)
