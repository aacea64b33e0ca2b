"""Durations, sizes, numbers and values as a person reads them; secrets as nobody does."""

from __future__ import annotations

import pytest

from runwright.display import format as shown
from runwright.display.redact import HIDDEN, is_secret, masked


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0, "0 ms"),
        (0.0004, "0 ms"),
        (0.14, "140 ms"),
        (0.9996, "1.0 s"),
        (3.21, "3.2 s"),
        (7, "7 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (125.2, "2 min 5 s"),
        (3599.7, "1 h"),
        (3600 * 3 + 60 * 12, "3 h 12 min"),
        (86400 * 2 + 3600 * 3, "2 d 3 h"),
        (-1.0, "0 ms"),
    ],
)
def test_durations(seconds, text):
    assert shown.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(None, ""), (0, "0 B"), (999, "999 B"), (2404, "2.4 kB"), (999_960, "1.0 MB"), (3e9, "3.0 GB"), (5e16, "50000 TB")]
)
def test_sizes(count, text):
    assert shown.size(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.3333"),
        (5, "5"),
        (2.0, "2"),
        (3e9, "3e+09"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("NaN", "'NaN'"),
        (None, "None"),
        (True, "True"),
    ],
)
def test_numbers(value, text):
    assert shown.number(value) == text


def test_a_value_is_one_line_of_limited_length():
    assert shown.short("a\nb") == r"'a\nb'"
    assert len(shown.short("x" * 100_000, 40)) <= 40
    assert len(shown.short(list(range(100_000)), 40)) <= 40
    assert len(shown.short({str(n): "y" * 50 for n in range(1000)}, 60)) <= 60


def test_a_value_whose_repr_fails_is_shown_by_its_type():
    class Broken:
        def __repr__(self):
            raise RuntimeError("no")

    assert "Broken" in shown.short(Broken())


def test_text_cannot_move_the_cursor_or_turn_the_direction():
    assert shown.one_line("\x1b[31mred\x1b[0m\r\nnext\x00\u202eabc") == "red next abc"
    assert shown.one_line("\x1b]0;title\x07x") == "x"
    assert shown.lines_of("  a\x1b[2J\n\tb\n") == ["  a", "    b"]


@pytest.mark.parametrize(
    "name", ["password", "db_password", "apiKey", "HF_TOKEN", "client-secret", "aws_secret_access_key", "token", "credentials"]
)
def test_names_of_secrets(name):
    assert is_secret(name)
    assert shown.short("hunter2", 60, name) == f"'{HIDDEN}'"


@pytest.mark.parametrize("name", ["max_tokens", "depth", "key", "monkey", "tokenizer", "secret_santa", "keyboard", "n_passwords_tried"])
def test_names_of_none(name):
    assert not is_secret(name)


def test_secrets_inside_values_are_hidden():
    assert masked({"db": {"host": "x", "password": "hunter2"}, "all": [{"token": "t"}]}) == {
        "db": {"host": "x", "password": HIDDEN},
        "all": [{"token": HIDDEN}],
    }
    for text in (
        "postgresql://me:hunter2@db/x",
        "https://s3/x?X-Amz-Signature=hunter2&a=1",
        "Authorization: Bearer hunter2hunter2",
        "could not reach https://me:hunter2@index/simple",
    ):
        assert "hunter2" not in shown.one_line(text)
        assert "hunter2" not in shown.short(text, 200)


def test_ids_are_as_long_as_tells_them_apart():
    one, other = "01a20f94-7028-72f5-9b5e-1f9e7a6aa1ee", "01a20f94-7028-72f5-9b5e-2f9e7a6aa1ee"
    assert shown.short_ids([one]) == [one[:18]]
    assert shown.short_ids([one, one]) == [one[:18]] * 2
    assert shown.short_ids([one, other]) == [one[:28], other[:28]]
