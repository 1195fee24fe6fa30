"""Files of numbers: noise in the last digits leaves no trace, and nothing else is lost."""

import csv
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfhkit.errors import InputError
from tfhkit.media import json_text, rounded, sha256_of, write_json, write_table

NUMBERS = {
    "r": -0.48513373675996424,
    "share": 0.42000000000000004,
    "seconds": [8.666666666666668, 1.0],
    "rows": [{"mm": 2.0556015968322754, "frames": 105, "name": "full"}],
}


def shaken(value, by):
    """The same content with every float off by the share `by`."""
    if isinstance(value, dict):
        return {name: shaken(item, by) for name, item in value.items()}
    if isinstance(value, list):
        return [shaken(item, by) for item in value]
    return value * (1 + by) if isinstance(value, float) else value


@pytest.mark.parametrize("by", [1e-14, -1e-14, 3e-16])
def test_noise_changes_no_hash(tmp_path, by):
    write_json(tmp_path / "a.json", NUMBERS)
    write_json(tmp_path / "b.json", shaken(NUMBERS, by))
    assert sha256_of(tmp_path / "a.json") == sha256_of(tmp_path / "b.json")
    assert json.loads((tmp_path / "a.json").read_text())["rows"][0]["frames"] == 105
    for name, rows in (("a.csv", NUMBERS["rows"]), ("b.csv", shaken(NUMBERS["rows"], by))):
        write_table(tmp_path / name, rows)
    assert sha256_of(tmp_path / "a.csv") == sha256_of(tmp_path / "b.csv")
    with open(tmp_path / "a.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"mm": "2.055602", "frames": "105", "name": "full"}]


def test_a_real_change_does(tmp_path):
    assert json_text(NUMBERS) != json_text(shaken(NUMBERS, 1e-6))


def test_what_a_subtraction_left_over_is_zero():
    assert json_text([0.3 - 0.1 - 0.2]) == json_text([0.1 + 0.2 - 0.3]) == json_text([0.0])


def test_numbers_of_numpy_and_torch():
    given_values = {
        1: np.float32(0.1), "n": np.int64(3), "t": torch.tensor([1.5, math.nan]),
        "yes": np.bool_(True), "nothing": None, "inf": -math.inf, "pair": (1, "x"),
    }  # fmt: skip
    assert rounded(given_values) == {
        "1": 0.1, "n": 3, "t": [1.5, None], "yes": True, "nothing": None, "inf": None,
        "pair": [1, "x"],
    }  # fmt: skip


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_seven_digits_are_kept(x):
    assert rounded(x) == pytest.approx(x, rel=5e-7, abs=1e-10)
    assert rounded(rounded(x)) == rounded(x)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_json(tmp_path / "file" / "a.json", {})
