"""The benchmarks run on the kit as it is."""

import pytest

from tfhkit.bench import refine
from tfhkit.bench.landmarks import bench_landmarks


@pytest.mark.slow
def test_the_refiner_s_parts_add_up(monkeypatch):
    monkeypatch.setattr(refine, "N_FRAMES", 8)
    training, inference = refine.bench_refine(precisions=("float32",), batch=2, repeats=2)
    assert training["step_ms"] == pytest.approx(
        training["batch_ms"] + training["memory_ms"] + training["update_ms"]
    )
    assert training["without_gan_ms"] > 0 < training["without_features_ms"]
    assert training["ratio"] == 1
    assert inference["fps"] > 0 and inference["what"] == "inference, small, float32"


@pytest.mark.slow
def test_the_landmarks_rows_count_the_faces():
    rows = bench_landmarks(n_frames=6, height_px=360)
    assert [row["backend"] for row in rows] == ["mesh", "dlib"] and rows[1]["ratio"] == 1
    for row in rows:
        assert row["faces"] == 2  # the sample clip shows two men
        assert row["ms_per_face"] == pytest.approx(row["ms"] / 2, abs=0.01)
