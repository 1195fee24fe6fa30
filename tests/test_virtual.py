"""The virtual speaker's voice, visemes, style and corpus: the truth for evaluating later stages."""

import numpy as np
import pytest

from tfhkit.errors import InputError, ParameterError
from tfhkit.virtual import corpus as corpus_module
from tfhkit.virtual import speaker as speaker_module
from tfhkit.virtual.espeak import voices
from tfhkit.virtual.prosody import prosody
from tfhkit.virtual.speaker import VirtualSpeaker, move, random_speaker
from tfhkit.virtual.style import PersonalStyle, head_motion, phrases, random_style, sound_features
from tfhkit.virtual.texts import ENGLISH, LANGUAGES, script, sentences
from tfhkit.virtual.visemes import ACTIONS, closure_track, gesture_tracks, mouth_actions, segments
from tfhkit.virtual.voice import Phoneme, default_speech, join, rescale, speak

BILABIALS = ("p", "b", "m")


def action(actions, name):
    return actions[:, ACTIONS.index(name)]


@pytest.fixture(scope="module")
def utterance():
    return join([default_speech()], [0.2, 0.3])


@pytest.fixture(scope="module")
def long_utterance():
    return join([speak(text) for text in ENGLISH[:8]], [0.3] * 9)


def test_speech_has_sound_phonemes_and_words_in_order(utterance):
    assert 6 < utterance.duration_s < 9
    assert utterance.audio.dtype == np.float32
    assert 0.1 < np.abs(utterance.audio).max() <= 1
    edges = [(p.start_s, p.end_s) for p in utterance.phonemes]
    assert all(start < end for start, end in edges)
    assert np.allclose([e for _, e in edges[:-1]], [s for s, _ in edges[1:]], atol=2e-4)
    assert abs(edges[-1][1] - utterance.duration_s) < 0.01
    assert [w.text for w in utterance.words[:4]] == ["This", "is", "a", "synthetic"]
    assert len(phrases(utterance.phonemes)) == 2


def test_the_default_sentence_says_that_it_is_synthetic():
    text = default_speech().text
    assert "synthetic voice" in text and "never said these words" in text


def test_phoneme_times_fit_the_sound():
    sound = speak("Ah. Ah.")
    vowels = [p for p in sound.phonemes if p.name.startswith("ɑ")]
    assert len(vowels) == 2

    def level(start_s, end_s):
        return np.sqrt(np.mean(sound.audio[int(start_s * 16000) : int(end_s * 16000)] ** 2))

    inside = min(level(v.start_s, v.end_s) for v in vowels)
    assert inside > 10 * level(vowels[0].end_s + 0.05, vowels[1].start_s - 0.02)


def test_same_arguments_same_samples():
    first = speak("The same samples, please.", "de+f2")
    speak("Something else in between.")
    assert np.array_equal(first.audio, speak("The same samples, please.", "de+f2").audio)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("",), InputError, "nothing to say"),
        (("?!...",), InputError, "has no phonemes"),
        (("hello", "xx-yy"), ParameterError, "no voice 'xx-yy'; try one of"),
        (("hello", "fr"), ParameterError, "fr-fr"),
        (("hello", "en-us+zz9"), ParameterError, "no variant 'zz9'"),
        (("hello", "en-us", 1000), ParameterError, "rate_wpm: 1000 is out of range"),
    ],
)
def test_bad_speech_is_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        speak(*arguments)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks_its_sentences(language):
    for text in sentences(language)[:2]:
        assert speak(text, language).duration_s > 1
    assert next(script(language, 0)) in sentences(language)


def test_join_and_rescale_keep_sound_and_times_together():
    a, b = speak("Ah."), speak("Oh.")
    both = join([a, b], [0.1, 0.2, 0.3])
    assert abs(both.duration_s - a.duration_s - b.duration_s - 0.6) < 1e-3
    assert both.words[1].text == "Oh"
    assert abs(both.words[1].start_s - (0.3 + a.duration_s + b.words[0].start_s)) < 1e-3
    slow = rescale(a, 1.2)
    assert abs(slow.duration_s / a.duration_s - 1.2) < 0.01
    assert abs(slow.phonemes[-1].end_s - 1.2 * a.phonemes[-1].end_s) < 1e-9


def test_pitch_of_a_known_tone():
    t = np.arange(32000) / 16000
    tone = np.zeros(32000, np.float32)
    for start, hz in ((0, 120.0), (16000, 120.0 * 2 ** (4 / 12))):
        phase = 2 * np.pi * hz * t[:16000]
        tone[start : start + 16000] = sum(np.sin(k * phase) / k for k in (1, 2, 3)) / 3
    found = prosody(tone)
    assert found.voiced[5:-5].mean() > 0.9
    low, high = found.pitch_st[30:70].mean(), found.pitch_st[130:170].mean()
    assert abs((high - low) - 4) < 0.2
    assert prosody(np.zeros(16000, np.float32)).loudness.max() == 0


def test_lips_close_on_every_bilabial_at_25_fps(long_utterance):
    times = np.arange(0, long_utterance.duration_s, 0.04)
    actions = mouth_actions(long_utterance, times)
    bilabials = [s for s in segments(long_utterance.phonemes) if s[0] in BILABIALS]
    assert len(bilabials) > 10
    for _, start_s, end_s, _ in bilabials:
        near = (times > min(start_s, end_s - 0.075) - 0.02) & (times < end_s + 0.02)
        closed = action(actions, "mouthClose")[near] / (action(actions, "jawOpen")[near] + 1e-6)
        assert closed.max() > 0.97


def test_jaw_opens_on_a_and_lips_round_on_u():
    def peak(text, name, symbol):
        sound = speak(text)
        actions = mouth_actions(sound, np.arange(0, sound.duration_s, 0.01))
        _, start_s, end_s, _ = next(s for s in segments(sound.phonemes) if s[0] == symbol)
        return action(actions, name)[int(start_s * 100) : int(end_s * 100)].max()

    assert peak("Father.", "jawOpen", "ɑ") > 2.5 * peak("See it.", "jawOpen", "i")
    assert peak("Two.", "mouthPucker", "u") > 0.5 > 5 * peak("See it.", "mouthPucker", "i")
    assert peak("Fee.", "mouthRollLower", "f") > 0.5
    assert peak("See it.", "mouthStretchLeft", "i") > 2 * peak("Father.", "mouthStretchLeft", "ɑ")


def test_coarticulation_starts_before_the_sound():
    sounds = (Phoneme("t", 0.5, 0.6), Phoneme("uː", 0.6, 0.8), Phoneme("t", 0.8, 0.9))
    grid = np.arange(0, 1.4, 0.01)
    rounded = gesture_tracks(sounds, grid)[:, 1]
    assert rounded[54] > 0.3  # inside the t, 60 ms before the vowel
    assert rounded[:10].max() < 0.1
    assert np.abs(np.diff(gesture_tracks(sounds, grid), axis=0)).max() < 0.15
    assert closure_track((Phoneme("p", 0.5, 0.52),), grid)[47:52].min() == 1


def test_unknown_symbols_do_not_stop_the_mouth():
    assert segments((Phoneme("ꭓ", 0, 1),))[0][0] == "ə"
    assert [s[0] for s in segments((Phoneme("tʃ", 0, 1), Phoneme("ɑ̃", 1, 2)))] == ["t", "ʃ", "ɑ"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_head_motion_has_the_asked_share_from_the_sound(utterance, share):
    style = PersonalStyle().with_share(share)
    times = np.arange(0, utterance.duration_s, 0.04)
    head = head_motion(utterance, style, times, seed=1)
    assert np.allclose(head.share, share, atol=0.01)
    assert np.allclose(head.rest + head.from_sound + head.own, head.pose, atol=1e-6)
    angles = head.from_sound[:, :3], head.own[:, :3]
    measured = angles[0].var(0) / (angles[0].var(0) + angles[1].var(0))
    assert np.allclose(measured, share, atol=0.05)


def test_the_part_from_the_sound_follows_it_with_the_lag(utterance):
    style = PersonalStyle(coupling=((1, 0, 0),) * 3, lag_s=0.2)
    times = np.arange(0, utterance.duration_s - 0.01, 0.01)
    driven = head_motion(utterance, style, times, seed=1).from_sound[:, 0]
    pitch = sound_features(utterance)[: len(times), 0]
    r = [np.corrcoef(driven[60:], pitch[60 - lag : len(pitch) - lag])[0, 1] for lag in range(50)]
    assert int(np.argmax(r)) == 20
    assert max(r) > 0.999


def test_motion_is_the_speakers_own_and_repeatable(utterance):
    times = np.arange(0, utterance.duration_s, 1 / 30)
    style = random_style(3)
    actions, head, blinks_s = move(utterance, style, times, 3)
    again, _, _ = move(utterance, style, times, 3)
    _, other, _ = move(utterance, style, times, 4)
    assert actions.shape == (len(times), 52)
    assert actions.min() >= 0 and actions.max() <= 1
    assert np.array_equal(actions, again)
    assert not np.allclose(head.own, other.own)
    assert np.allclose(head.rest, other.rest)
    for start_s in blinks_s[(blinks_s > 0) & (blinks_s < times[-1] - 0.2)]:
        shut = action(actions, "eyeBlinkLeft")[np.abs(times - start_s - 0.1) < 0.04]
        assert shut.max() > 0.8


def test_motion_does_not_depend_on_the_frame_rate(utterance):
    style = random_style(5)
    slow, fast = np.arange(0, 5, 1 / 12.5), np.arange(0, 5, 1 / 50)
    a, head_a, _ = move(utterance, style, slow, 5)
    b, head_b, _ = move(utterance, style, fast, 5)
    assert np.allclose(a, b[::4], atol=1e-5)
    assert np.allclose(head_a.pose, head_b.pose[::4], atol=1e-5)


def test_random_speakers_differ_and_repeat():
    a, b = random_speaker(seed=1), random_speaker(seed=2)
    assert not np.allclose(a.id, b.id)
    assert a.style == random_speaker(seed=1).style != b.style
    assert isinstance(a, VirtualSpeaker)
    with pytest.raises(ParameterError, match="sound_share"):
        PersonalStyle().with_share(1.5)


def test_random_voices_exist():
    languages, variants = voices()
    assert set(LANGUAGES) <= set(languages)
    assert set(speaker_module._VARIANTS) <= set(variants)


def test_corpus_speaker_has_windows_of_its_sound():
    matrix = np.eye(52, 64, dtype=np.float32)
    motion = corpus_module.make_speaker_motion(4, 6.0, matrix, recorded=False)
    assert motion.windows.shape == (150, 28, 12)
    sound = corpus_module._talk(random_speaker(seed=4), 6.0)
    expected = corpus_module.mfcc_windows(sound.audio, motion.times)
    assert np.allclose(motion.windows, expected, atol=1e-3)
    assert motion.exp.shape == (150, 64) and motion.pose.shape == (150, 6)
    assert np.array_equal(motion.track().windows, motion.windows)


def test_corpus_round_trip(tmp_path):
    seen = []
    made = corpus_module.make_motion_corpus(
        2, 3.0, seed=7, workers=1, path=tmp_path / "c.npz", progress=lambda *now: seen.append(now)
    )
    read = corpus_module.load_corpus(tmp_path / "c.npz")
    assert [m.name for m in read] == ["virtual_007", "virtual_008"]
    assert np.array_equal(made[1].rows, read[1].rows)
    assert read[0].about["voice"] == made[0].about["voice"]
    assert seen[-1][:2] == (2, 2)
    (tmp_path / "bad.npz").write_bytes(b"no")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:20_000])
    for name, match in (
        ("none.npz", "no such file"),
        ("bad.npz", "is not a motion corpus"),
        ("cut.npz", "is not a motion corpus"),
    ):
        with pytest.raises(InputError, match=match):
            corpus_module.load_corpus(tmp_path / name)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"n_speakers": 0}, "n_speakers: is 0; give at least 1"),
        ({"seconds_each": 1.9}, "seconds_each: is 1.9; give 2 to 3600 s"),
        ({"seconds_each": float("nan")}, "seconds_each: is nan"),
        ({"seed": -1}, "seed: is -1; give 0 to 4294967295"),
        ({"workers": 0}, "workers: is 0; give at least 1"),
    ],
)
def test_a_corpus_of_wrong_size_is_refused(arguments, match):
    with pytest.raises(ParameterError, match=match):
        corpus_module.make_motion_corpus(**arguments)
