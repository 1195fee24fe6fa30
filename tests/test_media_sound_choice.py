"""Which sound is taken: channels that cancel or hold no speech, tracks that are not the speech."""

import numpy as np
import pytest
from media_toys import RATE, Track, grey_frames, hum, likeness, noise, speech, write_file
from soundfile import write

from tfhkit import media
from tfhkit.errors import InputError
from tfhkit.media.mix import LOWER_DB, choose_channel

VOICE = speech(6)
FAINT = noise(6, level=0.002)


def mixed(tmp_path, channels, kind="FLOAT"):
    write(tmp_path / "a.wav", np.stack(channels, 1), RATE, subtype=kind)
    return media.read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    "channels",
    {
        "negative": [VOICE, -VOICE],
        "negative with faint noise": [VOICE, -VOICE + FAINT],
        "noise on the other side": [-VOICE + FAINT, VOICE],
        "partly negative": [-0.7 * VOICE, VOICE],
        "noise alone on one side": [noise(6, level=0.2), VOICE],
        "hum alone on one side": [VOICE, hum(6, hz=400)],
        "negative in 16 bit": [(VOICE * 32767).round() / 32768, -(VOICE * 32767).round() / 32768],
        "three": [0 * VOICE, -0.9 * VOICE, VOICE],
        "surround, speech in the centre": [0 * VOICE, FAINT, VOICE, 0 * VOICE, FAINT, 0 * VOICE],
        "surround, loud noise around": [noise(6, seed=s) for s in (1, 2)] + [VOICE] + [hum(6)] * 3,
    }.items(),
    ids=lambda item: item[0],
)
def test_speech_survives_the_mix(tmp_path, channels):
    audio = mixed(tmp_path, channels[1])
    assert abs(likeness(audio, VOICE)) > 0.99
    assert np.abs(audio).max() > 0.9 * np.abs(VOICE).max()


@pytest.mark.parametrize(
    "channels",
    {
        "mono": [VOICE],
        "equal": [VOICE, VOICE],
        "one silent": [0 * VOICE, VOICE],
        "one quieter": [VOICE, 0.3 * VOICE],
        "two rooms": [VOICE + FAINT, VOICE + noise(6, level=0.002, seed=5)],
        "two speakers in turn": [VOICE * (np.arange(6 * RATE) < 3 * RATE), np.roll(VOICE, 40_000)
                                 * (np.arange(6 * RATE) >= 3 * RATE)],
        "noise alone": [noise(6), noise(6)],
        "a late microphone": [VOICE, np.roll(VOICE, 8)],
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_the_mean_stays_where_it_carries_the_speech(tmp_path, channels):
    audio = mixed(tmp_path, channels[1])
    np.testing.assert_allclose(audio, np.mean(channels[1], 0), atol=1e-6)


def test_the_mean_is_left_where_it_falls_by_more_than_an_empty_channel_explains():
    loud = np.where(np.arange(300) % 10 < 6, 1e-2, 1e-6)
    for fall_db, left in ((LOWER_DB - 0.4, False), (LOWER_DB + 0.4, True)):
        power = np.stack([loud, loud, loud * 10 ** (-fall_db / 10)], 1)
        assert (choose_channel(power) is not None) == left


def test_of_two_equally_loud_channels_the_cleaner_is_taken(tmp_path):
    audio = mixed(tmp_path, [-VOICE + FAINT, VOICE])
    np.testing.assert_allclose(audio, VOICE, atol=1e-6)


def test_a_click_is_no_speech(tmp_path):
    clicks = noise(6, level=0.05)
    clicks[[20_000, 50_000]] = 1.0
    assert likeness(mixed(tmp_path, [clicks, VOICE]), VOICE) > 0.99


def two_tracks(tmp_path, *tracks, name="a.mkv"):
    return write_file(tmp_path / name, grey_frames(140), tracks)


OTHER = speech(6, seed=9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tracks, number",
    {
        "first": ([Track(VOICE), Track(OTHER)], 1),
        "default on the second": ([Track(OTHER), Track(VOICE, default=True)], 2),
        "silent first": ([Track(0 * VOICE), Track(VOICE)], 2),
        "silent default": ([Track(VOICE), Track(0 * VOICE, default=True)], 1),
        "hum first": ([Track(hum(6)), Track(VOICE)], 2),
        "noise default": ([Track(VOICE), Track(noise(6), default=True)], 1),
        "two without": ([Track(0 * VOICE), Track(noise(6)), Track(VOICE)], 3),
        "no speech at all": ([Track(0 * VOICE), Track(noise(6))], 2),
        "short first": ([Track(VOICE[:100]), Track(VOICE)], 2),
        "cancelling first": ([Track(np.stack([VOICE, -VOICE]), layout="stereo"), Track(OTHER)], 1),
    }.values(),
    ids=str,
)
def test_choice_of_the_track(tmp_path, tracks, number):
    path = two_tracks(tmp_path, *tracks)
    clip = media.open_clip(path)
    assert (clip.sound.number, clip.sound.count) == (number, len(tracks))
    taken = np.atleast_2d(tracks[number - 1].samples)[0]
    assert likeness(clip.audio, taken[: len(clip.audio)]) > 0.99
    assert likeness(media.read_audio(path), taken) > 0.99
    for wanted, track in enumerate(tracks, 1):
        if len(track.samples) > RATE and np.abs(track.samples).max() > 0.01:
            heard = media.open_clip(path, audio_track=wanted)
            assert heard.sound.number == heard.asked_track == wanted
            assert likeness(heard.audio, np.atleast_2d(track.samples)[0]) > 0.99
    assert clip.asked_track is None


def test_what_is_said_of_the_track(tmp_path):
    about = [{"language": "deu", "title": "Kommentar"}, {"language": "eng"}]
    both = np.stack([VOICE, -VOICE])
    path = two_tracks(
        tmp_path, Track(0 * VOICE, about=about[0], default=True),
        Track(both, layout="stereo", about=about[1]),
    )  # fmt: skip
    sound = media.open_clip(path).sound
    assert sound.names == ("1 (deu, Kommentar, default)", "2 (eng)")
    assert str(sound) == "sound track 2 (eng) of 2, 1 is silent: channel 1 of 2"
    assert media.open_clip(two_tracks(tmp_path, name="n.mkv"), need_sound=False).sound is None


def test_a_track_that_is_not_there(tmp_path):
    path = two_tracks(tmp_path, Track(VOICE), Track(OTHER))
    for wanted in (0, 3, -1):
        with pytest.raises(InputError, match=f"has 2 sound tracks, number {wanted} was asked for"):
            media.open_clip(path, audio_track=wanted)
        with pytest.raises(InputError, match="choose one of 1, 2"):
            media.read_audio(path, audio_track=wanted)
    mute = write_file(tmp_path / "m.mkv", grey_frames(120))
    with pytest.raises(InputError, match="has no sound track"):
        media.open_clip(mute, need_sound=False, audio_track=1)


def test_a_silent_track_asked_for_is_refused(tmp_path):
    path = two_tracks(tmp_path, Track(VOICE), Track(0 * VOICE))
    with pytest.raises(InputError, match="silent"):
        media.open_clip(path, audio_track=2)


def test_samples_that_are_no_numbers_are_refused_with_their_time(tmp_path):
    broken = np.stack([VOICE, VOICE])
    broken[1, 8_000:8_003], broken[0, 20_000] = np.nan, np.inf
    words = r"NaN or infinite \(4, the first at 0\.500 s\); repair"
    write(tmp_path / "a.wav", broken.T, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=rf"a\.wav: .*{words}"):
        media.read_audio(tmp_path / "a.wav", sr_hz=48_000)
    tracks = [Track(samples, layout="stereo", codec="pcm_f32le")
              for samples in (broken, broken * np.nan, np.stack([VOICE, VOICE]))]  # fmt: skip
    for need_sound in (True, False):
        with pytest.raises(InputError, match=words):
            media.open_clip(two_tracks(tmp_path, tracks[0]), need_sound=need_sound)
        with pytest.raises(InputError, match=r"\(96000, the first at 0\.000 s\)"):
            media.open_clip(two_tracks(tmp_path, tracks[1]), need_sound=need_sound)
    sound = media.open_clip(two_tracks(tmp_path, tracks[0], tracks[2])).sound
    assert (sound.number, sound.reason) == (2, "1 is broken")
