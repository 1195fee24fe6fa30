"""MFCC windows: parity with a written-out reference, alignment, edges, bad sound."""

import numpy as np
import pytest

from tfhkit.audio.mfcc import mel_filters, mfcc_windows
from tfhkit.errors import InputError, ShapeError

SR = 16000


def voice(seconds=2.0, seed=0):
    """Something like speech: harmonics under a moving envelope, and a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * SR)) / SR
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / SR
    tone = sum(np.sin(k * phase) / k for k in range(1, 30))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3.1 * t)
    return (0.1 * envelope * tone + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


def reference(signal):
    """The MFCCs of `python_speech_features` 0.6 with its defaults (c0 kept), written out here."""
    signal = signal.astype(np.float64)
    signal = np.append(signal[0], signal[1:] - 0.97 * signal[:-1])
    n = 1 + int(np.ceil((len(signal) - 400) / 160))
    signal = np.append(signal, np.zeros((n - 1) * 160 + 400 - len(signal)))
    frames = np.stack([signal[160 * i : 160 * i + 400] for i in range(n)])
    power = np.abs(np.fft.rfft(frames, 512)) ** 2 / 512
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700.0), 28)
    edges = np.floor(513 * 700 * (10 ** (mel / 2595.0) - 1) / 16000).astype(int)
    bank = np.zeros((26, 257))
    for j in range(26):
        for i in range(edges[j], edges[j + 1]):
            bank[j, i] = (i - edges[j]) / (edges[j + 1] - edges[j])
        for i in range(edges[j + 1], edges[j + 2]):
            bank[j, i] = (edges[j + 2] - i) / (edges[j + 2] - edges[j + 1])
    log_mel = np.log(power @ bank.T)
    k, m = np.arange(13)[:, None], np.arange(26)[None]
    basis = np.sqrt(2 / 26) * np.cos(np.pi * k * (2 * m + 1) / 52)
    basis[0] /= np.sqrt(2)
    return log_mel @ basis.T * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))


@pytest.mark.slow
def test_window_equals_the_reference_where_the_grids_meet():
    sound = voice()
    # Row 0 starts at sample 160 * k when the frame's time is 10 ms * k + 147.5 ms.
    times = np.array([0.1475, 0.4475, 1.0475])
    track = reference(sound)
    for window, k in zip(mfcc_windows(sound, times), (0, 30, 90)):
        assert window.dtype == np.float32
        inside = slice(k + 1, k + 28)  # its row 0 has no sample before it to emphasise with
        np.testing.assert_allclose(window[1:], track[inside, 1:], atol=2e-3)  # values reach 50


def test_click_is_seen_at_its_time():
    sound = np.zeros(2 * SR, np.float32)
    sound[SR] = 1.0
    times = np.array([0.9, 0.973, 1.0, 1.1])
    heard = np.abs(mfcc_windows(sound, times)).sum(-1) > 1e-2
    for rows, time in zip(heard, times):
        centre_s = (np.flatnonzero(rows).mean() - 13.5) * 0.01  # of the 2 or 3 rows with the click
        assert abs(time + centre_s - 1.0) < 0.005


@pytest.mark.parametrize("fps", [11.94, 25, 29.97, 60])
def test_any_frame_rate_gives_the_same_window_at_the_same_time(fps):
    sound = voice()
    times = np.arange(0, 2, 1 / fps)
    whole = mfcc_windows(sound, times)
    assert whole.shape == (len(times), 28, 12) and whole.dtype == np.float32
    index = len(times) // 2
    np.testing.assert_allclose(whole[index], mfcc_windows(sound, times[index : index + 1])[0])


def test_chunks_do_not_show():
    sound, times = voice(6), np.linspace(0, 6, 600)
    whole = mfcc_windows(sound, times)
    backwards = mfcc_windows(sound, times[::-1])[::-1]
    np.testing.assert_allclose(whole, backwards, atol=1e-4)


def test_edges_are_silence():
    sound = voice(1.0)
    padded = np.concatenate([np.zeros(SR, np.float32), sound, np.zeros(SR, np.float32)])
    times = np.linspace(0, 1, 11)
    np.testing.assert_allclose(
        mfcc_windows(sound, times), mfcc_windows(padded, times + 1), atol=1e-4
    )
    assert np.abs(mfcc_windows(sound, np.array([0.5, 0.5, -0.2]))[2, :5]).max() < 1e-3


def test_level_does_not_matter():
    sound, times = voice(), np.linspace(0.2, 1.8, 5)
    np.testing.assert_allclose(
        mfcc_windows(sound, times), mfcc_windows(0.25 * sound, times), atol=2e-3
    )


def test_other_rates_are_resampled():
    import librosa

    sound, times = voice(), np.linspace(0.3, 1.7, 15)
    for sr_hz in (48000, 44100):
        other = librosa.resample(sound, orig_sr=SR, target_sr=sr_hz)
        got, expected = mfcc_windows(other, times, sr_hz), mfcc_windows(sound, times)
        assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.99


def test_filters_cover_the_band():
    bank = mel_filters()
    assert bank.shape == (26, 257) and (bank.max(axis=1) == 1).all() and not bank[:, -1].any()


@pytest.mark.parametrize(
    "audio, times, words",
    [
        (np.zeros(SR), [0.5], "silent from end to end"),
        (np.zeros(0), [0.5], "no samples"),
        (np.full(SR, np.nan), [0.5], "16000 samples are NaN"),
        (voice(1), [np.nan], "frame times are NaN"),
        (voice(1), [500.0, 540.0], "beyond the 1.00 s of sound"),
    ],
)
def test_bad_input_is_named(audio, times, words):
    with pytest.raises(InputError, match=words):
        mfcc_windows(audio, times)


def test_stereo_is_refused_and_silence_allowed_on_demand():
    with pytest.raises(ShapeError, match=r"audio: expected shape \(N\)"):
        mfcc_windows(np.zeros((2, SR)), [0.1])
    assert np.abs(mfcc_windows(np.zeros(SR), [0.5], allow_silent=True)).max() < 1e-3
