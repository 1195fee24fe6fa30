"""Scores of a written video: a perfect one, what is cut out of a clip, the text, the whole way."""

from dataclasses import replace

import numpy as np
import pytest
from mesh_toys import track
from talk_toys import toy_person

from tfhkit import talk
from tfhkit.cli import evaluate as command
from tfhkit.cli import main
from tfhkit.evaluate import written
from tfhkit.evaluate.written import PUBLISHED, Seen, compare, part_of
from tfhkit.landmarks import Landmarks
from tfhkit.metrics import MEASURES


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    return toy_person(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def real(person):
    """The held-out part with a synthetic mesh in it, and a fit that found the truth."""
    clip = part_of(person.clip, person.held)
    mesh = track(fps=10)
    n = len(clip)
    dense = np.concatenate([mesh.mesh_px, np.zeros((len(mesh.times), 42, 2))], 1)[20 : 20 + n]
    points = dense[:, np.r_[:48, 468 - 20 : 468]] / 6
    seen = Landmarks(
        points.astype(np.float32), np.ones(n, np.float32), np.zeros(n, bool), "mesh",
        dense_px=dense.astype(np.float32),
    )  # fmt: skip
    fit = replace(
        person.fit, coefficients=person.fit.coefficients[person.held], times=clip.times,
        landmarks_px=seen.points_px, gap=seen.gap,
    )  # fmt: skip
    return Seen(clip, seen, fit)


def test_a_part_of_a_clip_is_its_frames_and_their_sound(person):
    part = part_of(person.clip, slice(20, 35))
    assert part.times[0] == 0 and np.allclose(np.diff(part.times), 0.1)
    assert len(part.audio) == 15 * 1600
    assert np.array_equal(part.audio, person.clip.audio[20 * 1600 : 35 * 1600])
    frames = list(part.iter_frames())
    with person.clip.reader() as reader:
        assert len(frames) == 15 and np.array_equal(frames[3], reader[23])


def test_a_perfect_video_gets_perfect_scores(person, real, monkeypatch):
    monkeypatch.setattr(written, "perceptual_available", lambda: False)
    motion = talk.drive(person, real.clip.audio, real.clip.times)
    scores = compare(person, real, real, motion)
    numbers = scores.summary()
    assert numbers["naturalness"]["mean"] == 1 == numbers["hs_written"] == numbers["hs_repeated"]
    assert numbers["lmd_mouth_written"] == 0 and numbers["lmd_mouth_aligned"] < 1e-6
    assert numbers["speed_ratio_written"] == pytest.approx(1) == numbers["speed_hs_written"]
    assert numbers["perceptual_written"] is None is numbers["perceptual_aligned"]
    assert numbers["hs_commanded"] < 1  # what an untrained mapping commands
    still = replace(
        real,
        fit=replace(real.fit, coefficients=real.fit.coefficients[np.zeros(len(real.fit), int)]),
    )
    assert compare(person, real, still, motion).summary()["speed_ratio_written"] == 0


def test_the_text_has_the_published_numbers_as_context(person, real, monkeypatch):
    monkeypatch.setattr(written, "perceptual_available", lambda: False)
    motion = talk.drive(person, real.clip.audio, real.clip.times)
    numbers = compare(person, real, real, motion).summary()
    numbers["naturalness"]["silence"] |= {"closeness": None, "interval": None, "why": "no pause"}
    lines = command.show({"clip": "x"} | numbers).splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("naturalness"))
    assert lines[head].split()[1:] == [*MEASURES, "mean"]
    assert lines[head + 1].split()[-6:] == ["1", "1", "1", "-", "1", "1"]
    assert lines[head + 4].split() == [
        "SadTalker", "(THEval)", "0.83", "0.29", "0.61", "0.68", "0.98", "0.68"
    ]  # fmt: skip
    assert set(PUBLISHED["Hallo2"]) == set(MEASURES)
    assert "silence: no pause" in lines and "thousands of videos" in lines[-1]


def test_a_person_brings_the_clip(capfd, tmp_path):
    for options in (["--clip", "sample", "--written"], []):
        assert main(["evaluate", "motion", "--person", str(tmp_path), *options]) == 2
        said = capfd.readouterr().err
        assert said.count("\n") == 1 and "leave out --clip and --fit, and add --written" in said
