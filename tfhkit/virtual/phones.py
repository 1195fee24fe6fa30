"""Phone sets of speech synthesizers, in IPA."""

from tfhkit.virtual.voice import SILENCE

# The set of CMU's dictionary with the variants of flite and festival ("radio").
_ENGLISH = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ",
    "b": "b", "ch": "tʃ", "d": "d", "dh": "ð", "dx": "ɾ", "eh": "ɛ", "el": "l", "em": "m",
    "en": "n", "er": "ɝ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h", "hv": "h", "ih": "ɪ",
    "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "nx": "n", "ng": "ŋ",
    "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ",
    "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
_PAUSES = {"pau", "h#", "brth", "ssil", "sil", "#", "_", "##"}


def ipa_name(phone: str) -> str:
    """IPA letters of a phone of English voices; "_" for pauses; "ə" for what is not known."""
    if phone in _PAUSES:
        return SILENCE
    return _ENGLISH.get(phone, "ə")
