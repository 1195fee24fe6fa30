"""espeak-ng through ctypes: which voices there are, and samples and events of a text."""

import ctypes
import difflib
import os
import sys
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from tfhkit.errors import MissingBackend, ParameterError

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: sound goes to the callback, the call returns when done
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_LIST_END, WORD, CLAUSE_END, PHONEME = 0, 1, 5, 7  # espeak_EVENT_TYPE
_MAX_DATA_PATH = 140  # the library keeps its data folder in a buffer of 160 bytes
_LOCK = threading.Lock()  # the library keeps its state in global variables

# type, sample, position and length in the text, and the name of a phoneme
Event = tuple[int, int, int, int, str]


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@lru_cache(maxsize=1)
def voices() -> tuple[dict[str, str], tuple[str, ...]]:
    """Languages and variants that `speak` knows.

    Returns:
        languages: the library's identifier ("gmw/en-US") of each language code ("en-us").
        variants: names ("f3", "klatt4", ...), to be added as "en-us+f3".
    """
    library_path, data_path = _installed()
    with _LOCK:
        library, _ = _open(library_path, data_path)
        try:
            library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
            listed, i = library.espeak_ListVoices(None), 0
            languages: dict[str, str] = {}
            while listed[i]:
                entry = listed[i].contents
                languages[entry.languages[1:].decode().lower()] = entry.identifier.decode()
                i += 1
        finally:
            _close(library)
    folder = Path(data_path) / "voices" / "!v"
    return languages, tuple(sorted(path.name for path in folder.iterdir()))


def resolve(voice: str) -> str:
    """The library's name of "language[+variant]".

    Raises:
        ParameterError: there is no such language or variant.
    """
    languages, variants = voices()
    language, plus, variant = str(voice).partition("+")
    key = language.lower()
    if key not in languages:
        near = difflib.get_close_matches(key, languages, n=3, cutoff=0.5)
        near += [code for code in languages if code.split("-")[0] == key.split("-")[0]][:3]
        hint = ", ".join(dict.fromkeys(near)) or "en-us, en-gb, de, fr-fr, es, it"
        raise ParameterError("voice", f"there is no voice {language!r}", f"try one of: {hint}")
    if plus and variant not in variants:
        near = difflib.get_close_matches(variant, variants, n=3, cutoff=0.4) or ["f1", "f3", "m2"]
        raise ParameterError(
            "voice", f"{language!r} has no variant {variant!r}", f"try one of: {', '.join(near)}"
        )
    return languages[key] + plus + variant


@lru_cache(maxsize=1)
def _installed() -> tuple[str, str]:
    """Paths of espeak-ng's library and of its data; a data path that is too long is linked to."""
    try:
        import espeakng_loader
    except ImportError:
        raise MissingBackend("voice", "espeak-ng", "pip install espeakng-loader") from None
    library_path, data_path = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    if len(os.fsencode(data_path)) > _MAX_DATA_PATH:
        link = Path(tempfile.mkdtemp(prefix="tfhkit-")) / "espeak-ng-data"
        link.symlink_to(data_path, target_is_directory=True)
        data_path = str(link)
    return str(library_path), str(data_path)


def _open(library_path: str, data_path: str) -> tuple[ctypes.CDLL, int]:
    """The library and the sample rate of its voices."""
    library = ctypes.CDLL(library_path)
    flags = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
    sr_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data_path), flags)
    if sr_hz <= 0:
        raise MissingBackend("voice", "espeak-ng", f"its data in {data_path} cannot be read")
    return library, sr_hz


def _close(library: ctypes.CDLL) -> None:
    # The library keeps phases and random states between texts. Unloading it resets them, so
    # that the same arguments give the same samples.
    library.espeak_Terminate()
    if sys.platform != "win32":
        import _ctypes

        _ctypes.dlclose(library._handle)


def synthesize(
    text: str, identifier: str, rate_wpm: int, pitch: int, pitch_range: int
) -> tuple[Int16[np.ndarray, "N"], list[Event], int]:
    """Let the library say a text.

    Args:
        text: what to say.
        identifier: the library's name of the voice, see `resolve`.
        rate_wpm, pitch, pitch_range: as in `speak`; the library expects the same numbers.
    Returns:
        samples, events, and the samples' rate in Hz.
    """
    with _LOCK:
        return _synthesize(text, identifier, rate_wpm, pitch, pitch_range)


def _synthesize(
    text: str, identifier: str, rate_wpm: int, pitch: int, pitch_range: int
) -> tuple[Int16[np.ndarray, "N"], list[Event], int]:
    library, sr_hz = _open(*_installed())
    pieces: list[np.ndarray] = []
    events: list[Event] = []

    def take(samples, n_samples, event):
        if samples and n_samples > 0:
            pieces.append(np.ctypeslib.as_array(samples, (n_samples,)).copy())
        i = 0
        while event[i].type != _LIST_END:
            e = event[i]
            # up to 8 bytes, not terminated when all are used
            name = ctypes.string_at(ctypes.addressof(e.id), 8).split(b"\0")[0]
            name = name.decode("utf-8", "ignore") if e.type == PHONEME else ""
            events.append((e.type, e.sample, e.text_position, e.length, name))
            i += 1
        return 0

    callback = _CALLBACK(take)
    try:
        if hasattr(library, "espeak_ng_SetRandSeed"):
            library.espeak_ng_SetRandSeed(ctypes.c_long(0))
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(identifier.encode()) != 0:
            raise ParameterError("voice", f"{identifier!r} does not load", "choose another voice")
        for parameter, value in ((_RATE, rate_wpm), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, int(value), 0)
        data = text.encode("utf-8")
        library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    finally:
        _close(library)
    pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return pcm, events, sr_hz
