"""scikit-learn models with joblib, torch modules with torch.save."""

from __future__ import annotations

import sys
import types
import warnings

import pytest

from runwright import materialize


@pytest.fixture
def model():
    linear = pytest.importorskip("sklearn.linear_model")
    return linear.LinearRegression().fit([[1.0], [2.0]], [2.0, 4.0])


def test_a_model(roundtrip, model):
    import sklearn

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        descriptor, back = roundtrip(model)
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["path"]) == (
        "model",
        "sklearn",
        "joblib",
        "outputs/x/data.joblib",
    )
    assert descriptor["versions"]["scikit-learn"] == sklearn.__version__ and "numpy" in descriptor["versions"]
    assert back.predict([[3.0]])[0] == pytest.approx(6.0)


def test_a_pipeline_with_a_lambda_needs_cloudpickle(roundtrip, model):
    pytest.importorskip("cloudpickle")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    pipeline = make_pipeline(FunctionTransformer(lambda x: x), model)
    descriptor, back = roundtrip(pipeline)
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["by"]) == ("model", "sklearn", "pickle", "cloudpickle")
    assert back.predict([[3.0]])[0] == pytest.approx(6.0)


def test_an_estimator_of_another_package(roundtrip, monkeypatch):
    base = pytest.importorskip("sklearn.base")
    other = types.ModuleType("otherboost")
    other.__version__ = "7.1"

    class OtherRegressor(base.BaseEstimator):
        pass

    OtherRegressor.__module__, OtherRegressor.__qualname__ = "otherboost", "OtherRegressor"
    other.OtherRegressor = OtherRegressor
    monkeypatch.setitem(sys.modules, "otherboost", other)
    descriptor, back = roundtrip(OtherRegressor())
    assert (descriptor["kind"], descriptor["versions"]["otherboost"]) == ("sklearn", "7.1")
    assert type(back) is OtherRegressor


def test_another_version_warns(tmp_path, model):
    descriptor = materialize.write(model, str(tmp_path), "o")
    descriptor["versions"]["scikit-learn"] = "0.1"
    with pytest.warns(UserWarning, match=r"o/data\.joblib was written with scikit-learn 0\.1 \(here .*scikit-learn==0\.1"):
        assert materialize.read(descriptor, str(tmp_path)).predict([[3.0]])[0] == pytest.approx(6.0)
    descriptor = {**descriptor, "versions": {}, "python": "2.7"}
    with pytest.warns(UserWarning, match=r"Python 2\.7"):
        materialize.read(descriptor, str(tmp_path))


def test_a_missing_package_is_named(tmp_path, model, monkeypatch):
    descriptor = materialize.write(model, str(tmp_path), "o")
    descriptor["versions"]["nosuchpackage"] = "1.2"
    with pytest.raises(materialize.MaterializeFailed, match="nosuchpackage, which is not installed") as caught:
        materialize.read(descriptor, str(tmp_path))
    assert "nosuchpackage==1.2" in caught.value.cure


def test_a_model_that_cannot_be_kept(fails, model):
    import threading

    model.lock = threading.Lock()
    assert "cannot be pickled" in fails(model).message


def test_torch_modules(roundtrip, monkeypatch, tmp_path):
    """Against a stand-in: torch is too large for this suite."""
    import pickle

    torch = types.ModuleType("torch")
    torch.__version__ = "2.9"
    torch.save = pickle.dump
    torch.load = lambda file, map_location, weights_only: (map_location, weights_only, pickle.load(file))
    module = type("Module", (), {"__module__": "torch.nn.modules.module", "__qualname__": "Module"})
    net = type("Net", (module,), {"__module__": "mynets", "__qualname__": "Net"})
    nets = types.ModuleType("mynets")
    nets.Net = net
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "mynets", nets)
    descriptor, back = roundtrip(net())
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["of"]) == ("model", "torch", "pt", "mynets.Net")
    assert descriptor["versions"]["torch"] == "2.9"
    assert back[:2] == ("cpu", False) and type(back[2]) is net
    nothing = {"path": descriptor["path"]}
    assert materialize.read(nothing, str(tmp_path))[1] is True  # a file from elsewhere runs no code
