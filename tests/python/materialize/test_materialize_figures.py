"""Figures, plots and images."""

from __future__ import annotations

import json

import pytest

from runwright import materialize

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def test_a_figure_becomes_a_picture(roundtrip, plt, tmp_path):
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    descriptor, back = roundtrip(figure)
    assert (descriptor["type"], descriptor["kind"], descriptor["format"], descriptor["of"]) == (
        "artifact",
        "figure",
        "png",
        "matplotlib.figure.Figure",
    )
    assert back.data.startswith(PNG) and back._repr_png_() == back.data
    assert "data.png" in repr(back)
    again, _ = roundtrip(figure, "outputs/again")
    assert again["sha256"] == descriptor["sha256"]
    assert plt.fignum_exists(figure.number)


def test_axes_and_parts_become_their_figure(roundtrip, plt):
    figure = plt.figure()
    part = figure.subfigures(1, 2)[0]
    axes = part.subplots()
    axes.plot([1, 2])
    whole, _ = roundtrip(figure)
    for index, value in enumerate((axes, part)):
        assert roundtrip(value, f"outputs/{index}")[0]["sha256"] == whole["sha256"]


def test_a_seaborn_grid(roundtrip, plt):
    seaborn = pytest.importorskip("seaborn")
    pd = pytest.importorskip("pandas")
    grid = seaborn.FacetGrid(pd.DataFrame({"a": [1, 2], "b": [1, 2]}), col="b")
    descriptor, back = roundtrip(grid)
    assert descriptor["kind"] == "figure" and back.data.startswith(PNG)


def test_a_picture_is_handed_on(roundtrip, plt):
    descriptor, picture = roundtrip(plt.figure())
    again, back = roundtrip(picture, "outputs/again")
    assert again["sha256"] == descriptor["sha256"] and type(back) is materialize.Picture


def test_a_figure_that_cannot_be_drawn(fails, plt):
    figure, axes = plt.subplots()
    axes.set_title(r"$\notatexcommand{$")
    assert "cannot be drawn" in fails(figure).message


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "F", "I", "YCbCr", "HSV"])
def test_images(roundtrip, mode):
    image_module = pytest.importorskip("PIL.Image")
    image = image_module.linear_gradient("L").resize((20, 10))
    image = (
        image_module.frombytes("I;16", (20, 10), bytes(range(200)) * 2)
        if mode == "I;16"
        else image.convert("RGB").convert(mode)
        if mode not in ("I", "F")
        else image.convert(mode)
    )
    descriptor, back = roundtrip(image)
    assert descriptor["kind"] == ("image" if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "pickle")
    assert type(back) is image_module.Image and (back.mode, back.size) == (image.mode, image.size)
    if mode == "P":
        assert back.convert("RGB").tobytes() == image.convert("RGB").tobytes()
    else:
        assert back.tobytes() == image.tobytes()


def test_an_image_opened_from_a_file(roundtrip, tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    image_module.new("RGB", (3, 2), "red").save(tmp_path / "a.bmp")
    with image_module.open(tmp_path / "a.bmp") as image:
        descriptor, back = roundtrip(image)
    assert (descriptor["format"], descriptor["of"], back.getpixel((0, 0))) == ("png", "PIL.Image.Image", (255, 0, 0))


def test_plotly(roundtrip):
    graph = pytest.importorskip("plotly.graph_objects")
    np = pytest.importorskip("numpy")
    figure = graph.Figure(graph.Scatter(x=np.arange(3), y=[1, None, 3]), layout={"title": {"text": "größe"}})
    descriptor, back = roundtrip(figure)
    assert (descriptor["kind"], descriptor["format"], descriptor["path"]) == ("figure", "plotly", "outputs/x/data.json")
    assert isinstance(back, graph.Figure) and json.loads(back.to_json()) == json.loads(figure.to_json())
