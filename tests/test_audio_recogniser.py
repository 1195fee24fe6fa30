"""The states of the speech recogniser."""

import sys

import numpy as np
import pytest

from tfhkit.assets import ASSETS
from tfhkit.audio import recogniser, recogniser_states
from tfhkit.cli import main
from tfhkit.errors import AssetError, InputError, KitWarning, MissingBackend
from tfhkit.motion import general
from tfhkit.virtual.voice import default_speech

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def speech():
    return default_speech().audio


def test_states_are_those_of_the_times(speech):
    """A sound that begins later has the same states, later: the clock is right to a few ms."""
    times = np.arange(0.3, 2.5, 0.04)
    first = recogniser_states(speech, times)
    later = recogniser_states(np.r_[np.zeros(8000, np.float32), speech], times + 0.5)
    assert first.shape == (len(times), 288) and first.dtype == np.float32

    def agreement(shift):
        moved = recogniser_states(np.r_[np.zeros(8000, np.float32), speech], times + 0.5 + shift)
        return np.corrcoef(first.ravel(), moved.ravel())[0, 1]

    assert np.corrcoef(first.ravel(), later.ravel())[0, 1] > 0.9
    assert agreement(0) > max(agreement(-0.04), agreement(0.04))


def test_a_louder_recording_has_the_same_states(speech):
    times = np.arange(0, 2, 0.04)
    quiet, loud = (recogniser_states(gain * speech, times) for gain in (0.02, 0.5))
    assert np.corrcoef(quiet.ravel(), loud.ravel())[0, 1] > 0.98


def test_long_sound_is_heard_in_pieces(speech, monkeypatch):
    long = np.tile(speech, int(np.ceil(50 * 16000 / len(speech))))[: 50 * 16000]
    lengths = []

    class Encoder:
        def run(self, names, given):
            lengths.append(given["input_values"].shape[1] / 16000)
            n = (given["input_values"].shape[1] - 895) // 384 + 1
            return [np.zeros((1, n, 288), np.float32)]

    monkeypatch.setattr(recogniser, "_encoder", Encoder)
    assert recogniser_states(long, np.arange(0, 50, 0.04)).shape == (1250, 288)
    assert len(lengths) == 7 and max(lengths) == 16.0


def test_times_far_outside_the_sound_hear_the_silence_around_it(speech):
    """A sound that ends long before the picture, or begins after it."""
    short, times = speech[: 5 * 16000], np.arange(0, 9.5, 0.04)
    states = recogniser_states(short, times)
    end = int(np.ceil((len(short) / 16000 + 0.5) / 0.04)) + 1
    assert np.ptp(states[end:], axis=0).max() == 0 and np.ptp(states[:100], axis=0).max() > 1
    assert np.isfinite(recogniser_states(short, np.r_[-20.0, np.arange(0, 5, 0.04)])).all()
    assert recogniser_states(short[:800], [0.02]).shape == (1, 288)
    assert recogniser_states(short, []).shape == (0, 288)


def test_a_word_in_a_long_silence_and_a_constant_offset_change_little(speech):
    times = np.arange(0.2, 1.2, 0.04)
    word = np.r_[speech[: 2 * 16000], np.zeros(16000, np.float32)]
    alone = recogniser_states(word, times)
    lonely = recogniser_states(np.r_[word, np.zeros(60 * 16000, np.float32)], times)
    shifted = recogniser_states(0.1 * word + 0.2, times)
    assert np.corrcoef(alone.ravel(), lonely.ravel())[0, 1] > 0.8
    assert np.corrcoef(alone.ravel(), shifted.ravel())[0, 1] > 0.9


def test_silence_and_sound_that_is_no_sound():
    assert np.isfinite(recogniser_states(np.zeros(32000), [0.5, 1.0], allow_silent=True)).all()
    with pytest.raises(InputError, match="silent from end to end"):
        recogniser_states(np.zeros(32000), [0.5])
    with pytest.raises(InputError, match="beyond the 2.00 s of sound"):
        recogniser_states(np.ones(32000) * np.sin(np.arange(32000)), [5.0, 6.0])


@pytest.fixture
def no_onnxruntime(monkeypatch):
    """A process in which onnxruntime cannot be imported."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    recogniser._why_missing.cache_clear()
    yield
    recogniser._why_missing.cache_clear()


def test_without_the_recogniser_the_network_predicts_alone_and_says_so(no_onnxruntime):
    with pytest.warns(KitWarning, match="without the speech recogniser.*pip install onnxruntime"):
        without = general.general_mapping()
    assert without.linear is None and without.share == 1.0
    with pytest.raises(MissingBackend, match="recogniser backend 'moonshine' is not available"):
        recogniser_states(np.sin(np.arange(32000.0)), [0.5])


def test_with_the_recogniser_the_general_mapping_reads_its_states():
    with_it = general.general_mapping()
    assert with_it.linear is not None and with_it.linear.reads and with_it.share < 1


def test_the_command_line_says_so_once(no_onnxruntime, tmp_path, capsys):
    assert main(["portrait", "astronaut", "-o", str(tmp_path / "p.mp4"), "--size", "200"]) == 0
    said = capsys.readouterr().err
    assert (
        said.count("tfhkit: note: without the speech recogniser, lips follow the sound less") == 1
    )
    assert main(["doctor"]) == 0
    assert "speech recogniser: Moonshine  absent" in capsys.readouterr().out


def test_a_file_that_is_absent_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("TFHKIT_OFFLINE", "1")
    assert "speech_encoder: is not in the cache" in recogniser.why_missing()
    with pytest.raises(AssetError, match=ASSETS["speech_encoder"].package):
        recogniser_states(np.sin(np.arange(32000.0)), [0.5])
