"""Recorded voices, rough recordings, and what a training corpus varies."""

from dataclasses import replace

import numpy as np
import pytest

from tfhkit.errors import MissingBackend, ParameterError
from tfhkit.motion import correlation
from tfhkit.virtual import recorded
from tfhkit.virtual.breath import pause_track
from tfhkit.virtual.corpus import make_speaker_motion
from tfhkit.virtual.phones import ipa_name
from tfhkit.virtual.recorded import (
    VOICES,
    installed_voices,
    language_of,
    read_festival,
    read_flite,
    speak_recorded,
)
from tfhkit.virtual.rough import compress, lowpass, music, record_roughly
from tfhkit.virtual.speaker import move, random_speaker
from tfhkit.virtual.variety import Variety, draw_speaker, wide_variety
from tfhkit.virtual.visemes import ACTIONS, segments
from tfhkit.virtual.voice import SILENCE, Phoneme, speak

SR_HZ = 16000
_JAW = ACTIONS.index("jawOpen")


@pytest.mark.parametrize(
    ("phone", "symbol"),
    [("aa", "ɑ"), ("em", "m"), ("jh", "dʒ"), ("ow", "oʊ"), ("pau", "_"), ("h#", "_"), ("?", "ə")],
)
def test_phones_have_ipa_names(phone, symbol):
    assert ipa_name(phone) == symbol


def test_every_english_phone_has_a_mouth_shape():
    phones = (
        "aa ae ah ao aw ax axr ay b ch d dh dx eh el em en er ey f g hh hv ih iy jh k l m n nx ng "
        "ow oy p r s sh t th uh uw v w y z zh"
    ).split()
    for phone in phones:
        name = ipa_name(phone)
        assert len(segments([Phoneme(name, 0.0, 0.1)])) == len(name)
        assert (name == "ə") == (phone == "ax")


def test_what_the_programs_print_is_read():
    assert read_flite("pau:0.174 m:0.261 ay:0.420 \n") == [
        ("pau", 0.174, 2),
        ("m", 0.261, 2),
        ("ay", 0.42, 2),
    ]
    printed = "warning\nTEXT\nSEG pau 0.22 0\nSEG m 0.29 1\nTEXT\nSEG # 0.1 0\n"
    assert read_festival(printed) == [[("pau", 0.22, 0), ("m", 0.29, 1)], [("#", 0.1, 0)]]


def test_phones_become_phonemes_without_gaps():
    marks = [("pau", 0.1, 0), ("pau", 0.2, 0), ("m", 0.3, 1), ("iy", 0.5, 1), ("iy", 0.5, 1)]
    said = recorded._utterance("me", "flite:rms", np.zeros(24000), 32000, marks)
    assert [p.name for p in said.phonemes] == [SILENCE, "m", "i", SILENCE]
    assert said.phonemes[0].end_s == 0.2 and said.phonemes[-1].end_s == 0.75
    assert len(said.audio) == 12000


def test_a_voice_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(recorded, "installed_voices", lambda: ())
    with pytest.raises(MissingBackend, match="apt-get install flite"):
        speak_recorded(["Hello."], "flite:rms")
    with pytest.raises(ParameterError, match="no voice 'flite:zzz'; try one of: flite:kal16"):
        speak_recorded(["Hello."], "flite:zzz")


def test_a_voice_has_a_language():
    assert language_of("flite:awb") == "en-gb"
    assert language_of("de+f2") == "de"


@pytest.mark.skipif(not installed_voices(), reason="needs flite or festival")
@pytest.mark.parametrize("name", [voice.name for voice in VOICES])
def test_a_recorded_voice_speaks_in_time(name):
    if name not in installed_voices():
        pytest.skip(f"{name} is not installed")
    slow, fast = speak_recorded(["Mama. Papa."] * 2, name, [120, 200])
    assert name.endswith("hts") or slow.duration_s > 1.2 * fast.duration_s
    names = [p.name for p in slow.phonemes]
    assert names.count("m") == names.count("p") == 2
    vowels, stops = (
        np.mean([_level(slow, p) for p in slow.phonemes if p.name in kind]) for kind in ("ɑʌ", "p_")
    )
    assert vowels > 2 * stops


def _level(said, phoneme):
    part = said.audio[int(phoneme.start_s * SR_HZ) : int(phoneme.end_s * SR_HZ)]
    return float(np.sqrt(np.mean(part**2)))


def test_pauses_are_open_where_the_person_holds_the_mouth_open():
    said = speak("One more. And one more.")
    style = replace(random_speaker(seed=2).style, breath=0.0, parted=0.0)
    times = np.arange(0, said.duration_s, 0.02)
    paused = pause_track(said.phonemes, times) > 0.99
    closed, wide = (
        move(said, replace(style, pause_open=k), times, 2)[0][:, _JAW] for k in (0.0, 0.6)
    )
    assert paused.any() and not paused.all()
    assert wide[paused].min() > 0.25 > closed[paused].max()
    loud = pause_track(said.phonemes, times) == 0
    assert np.allclose(wide[loud], closed[loud])


def test_compression_brings_loud_and_quiet_together_and_a_lowpass_takes_the_treble():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=4 * SR_HZ) * np.repeat([0.02, 0.2, 0.02, 0.2], SR_HZ)
    louder = compress(noise.astype(np.float32), np.random.default_rng(1))
    parts = louder.reshape(4, -1).std(1)
    assert 1 < parts[1] / parts[0] < 8
    low = lowpass(noise.astype(np.float32), np.random.default_rng(1))
    power = np.abs(np.fft.rfft(low)) ** 2
    assert power[-4000:].mean() < 0.02 * power[4000:8000].mean()
    assert music(SR_HZ, rng).std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_rough_recording_is_not_delayed(seed):
    said = speak("A rough recording of a voice.").audio
    rough = record_roughly(said, np.random.default_rng(seed))
    assert rough.dtype == np.float32 and 0.09 < np.abs(rough).max() <= 0.9

    def envelope(sound):
        return np.abs(sound[: len(said) // 160 * 160]).reshape(-1, 160).mean(1)

    a, b = envelope(said), envelope(rough)
    r = [correlation(a[5:-5], np.roll(b, -lag)[5:-5]) for lag in range(-4, 5)]
    assert abs(int(np.argmax(r)) - 4) <= 1


def test_no_variety_is_the_speaker_of_the_tests():
    speaker, rough = draw_speaker(5, Variety())
    plain = random_speaker(seed=5)
    assert (speaker.style, speaker.voice, rough) == (plain.style, plain.voice, False)


def test_variety_draws_voices_pauses_and_recordings():
    variety = Variety(("flite:rms", "flite:slt"), 0.5, pause_open=0.6, rough_share=0.5)
    people = [draw_speaker(seed, variety) for seed in range(60)]
    voices = [speaker.voice for speaker, _ in people]
    assert 15 < sum(":" in voice for voice in voices) < 45
    assert set(voices) > {"flite:rms", "flite:slt"}
    assert 15 < sum(rough for _, rough in people) < 45
    wide = [speaker.style.pause_open for speaker, _ in people]
    assert 0.2 < np.mean(wide) < 0.4 and max(wide) < 0.6
    assert draw_speaker(3, variety)[0].style == draw_speaker(3, variety)[0].style
    assert wide_variety(recorded=False).voices == ()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"recorded_share": 1.5}, "recorded_share: 1.5 is out of range"),
        ({"pause_open": -1.0}, "pause_open: -1.0 is out of range"),
        ({"voices": ("flite:zzz",)}, "no voice 'flite:zzz'"),
        ({"language": "en-xx"}, "there is no voice 'en-xx'; try one of: .*en-"),
    ],
)
def test_bad_variety_is_refused(arguments, match):
    with pytest.raises(ParameterError, match=match):
        Variety(**arguments)


def test_a_corpus_speaker_may_be_rough():
    matrix = np.eye(52, 64, dtype=np.float32)
    plain = make_speaker_motion(4, 4.0, matrix)
    rough = make_speaker_motion(4, 4.0, matrix, variety=Variety(rough_share=1.0))
    assert np.array_equal(plain.exp, rough.exp)
    assert not np.allclose(plain.rows, rough.rows, atol=0.5)
