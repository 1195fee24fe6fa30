"""Sounds as players inside a notebook."""

import io

import av
import numpy as np
import pytest

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.teach.sound import Sound, listen, mp3_bytes


def heard(data):
    """The samples of an MP3 file, at 16 kHz."""
    with av.open(io.BytesIO(data)) as file:
        frames = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
        assert file.streams.audio[0].rate == 16000
    return np.concatenate(frames)


def test_what_is_heard_is_what_was_given():
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    data = mp3_bytes(tone)
    got = heard(data)
    assert len(data) < 9000 and len(got) == pytest.approx(16000, abs=2400)
    middle = got[4000:12000]
    peak = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(8000)))) * 2
    assert peak == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


def test_too_loud_a_sound_is_scaled_down():
    assert np.abs(heard(mp3_bytes(5 * np.ones(8000)))).max() < 1.3


def test_the_player_has_a_name(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    listen(np.zeros(1600), 'a "quoted" voice')
    assert 'aria-label="a &quot;quoted&quot; voice"' in shown[0]["text/html"]
    assert "data:audio/mpeg;base64," in Sound("x", np.zeros(1600))._repr_html_()


@pytest.mark.parametrize(
    "audio, error",
    [([], ParameterError), ([np.nan], ParameterError), (np.zeros((2, 3)), ShapeError)],
)
def test_no_sound_at_all(audio, error):
    with pytest.raises(error, match="audio"):
        mp3_bytes(audio)
