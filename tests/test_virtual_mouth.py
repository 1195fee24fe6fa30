"""What is a person's own about the mouth: breaths in the pauses, and shapes of the sounds."""

from dataclasses import replace

import numpy as np
import pytest

from tfhkit.virtual import PersonalStyle, Phoneme, mouth_actions, random_speaker
from tfhkit.virtual.breath import Breath, breath_track, breathe, breaths
from tfhkit.virtual.speaker import move
from tfhkit.virtual.visemes import ACTIONS, COMMON, personal_visemes
from tfhkit.virtual.voice import SILENCE

PHONEMES = (
    Phoneme(SILENCE, 0.0, 0.4),
    Phoneme("a", 0.4, 0.6),
    Phoneme(SILENCE, 0.6, 0.7),
    Phoneme("a", 0.7, 0.9),
    Phoneme(SILENCE, 0.9, 1.6),
    Phoneme("a", 1.6, 1.8),
    Phoneme(SILENCE, 1.8, 2.4),
)


def test_breaths_are_drawn_in_long_pauses_before_speech():
    events = breaths(PHONEMES, PersonalStyle(breath=1.0), 0)
    assert [round(e.end_s, 2) for e in events] == [0.5, 1.7]  # none at the end, none in 0.1 s
    for event, pause in zip(events, (PHONEMES[0], PHONEMES[4])):
        assert pause.start_s < event.start_s < event.peak_s < pause.end_s < event.end_s
    assert events == breaths(PHONEMES, PersonalStyle(breath=1.0), 0)


def test_who_breathes_by_the_nose_keeps_the_mouth_shut():
    events = [breaths(PHONEMES, PersonalStyle(breath=0.0), seed) for seed in range(20)]
    assert all(event.depth == 0 for found in events for event in found)
    assert sum(map(len, events)) < sum(
        len(breaths(PHONEMES, PersonalStyle(breath=1.0), seed)) for seed in range(20)
    )


def test_the_mouth_is_widest_at_the_breath_s_peak():
    times = np.arange(0, 2, 0.01)
    track = breath_track([Breath(0.5, 1.0, 1.1, 0.6, None)], times)
    assert track.max() == pytest.approx(0.6) and times[track.argmax()] == pytest.approx(1.0)
    assert not track[times <= 0.5].any() and not track[times >= 1.1].any()
    assert (np.diff(track[(times > 0.5) & (times < 1.0)]) > 0).all()


def test_a_breath_is_heard_where_it_is_drawn_and_as_loud_as_said():
    audio = np.full(32000, 0.1, np.float32)
    event = Breath(0.5, 1.0, 1.1, 0.6, -30.0)
    heard = breathe(audio, [event], 0) - audio
    assert not heard[:8000].any() and not heard[16000:].any()
    rms = np.sqrt(np.mean(heard[8000:16000] ** 2))
    assert 20 * np.log10(rms / 0.2) == pytest.approx(-30, abs=1)
    assert np.array_equal(breathe(audio, [replace(event, level_db=None)], 0), audio)


def test_breathing_opens_the_mouth_of_a_speaker_in_a_pause():
    speaker = random_speaker(seed=3, language="en-us")
    style = replace(speaker.style, breath=1.0, parted=0.0)
    texts = ["My father bought a boat.", "May we see it?", "Nobody knows.", "Please come."]
    utterance = replace(speaker, style=style).say(texts)
    events = breaths(utterance.phonemes, style, (speaker.seed, 23))
    peaks = np.array([e.peak_s for e in events if e.depth > 0.2])
    jaw = ACTIONS.index("jawOpen")
    opened, shut = (
        move(utterance, replace(style, breath=b), peaks, speaker.seed)[0][:, jaw]
        for b in (1.0, 0.0)
    )
    assert len(peaks) and (opened > shut + 0.05).all()


def test_no_spread_gives_the_common_shapes():
    own = personal_visemes(0.0, 5)
    assert own.table.keys() == COMMON.table.keys()
    for letter, (targets, dominance) in COMMON.table.items():
        assert np.allclose(own.table[letter][0], targets)
        assert np.allclose(own.table[letter][1], dominance)
    assert np.allclose(own.lead_s, COMMON.lead_s) and np.allclose(own.trail_s, COMMON.trail_s)


def test_people_differ_in_vowels_and_agree_in_what_is_shut():
    people = [personal_visemes(0.5, seed) for seed in (1, 2, 1)]
    a = [person.table["ɑ"][0] for person in people]
    assert not np.allclose(a[0], a[1]) and np.array_equal(a[0], a[2])
    for person in people:
        for letter in ("p", "b", "m", SILENCE):
            assert np.array_equal(person.table[letter][0], COMMON.table[letter][0])


def test_a_person_s_own_shapes_still_shut_the_lips_in_m_and_b():
    speaker = random_speaker(seed=3, language="en-us")
    utterance = speaker.say("My mum may bring a big blue bottle by the beach.")
    times = np.arange(0, utterance.duration_s, 0.01)
    shut = [p for p in utterance.phonemes if p.name in ("m", "b")]
    middles = np.array([(p.start_s + p.end_s) / 2 for p in shut])
    own = mouth_actions(utterance, times, visemes=personal_visemes(0.5, 11))
    jaw, close = (own[:, ACTIONS.index(name)] for name in ("jawOpen", "mouthClose"))
    at = np.searchsorted(times, middles)
    assert len(shut) > 5 and (close[at] > 0.9 * jaw[at] - 0.01).all()
