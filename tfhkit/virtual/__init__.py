"""Virtual speakers: scripted speech, expression and head motion with known truth.

Pictures are in `footage` (clips) and `lrw` (single words), motion for training in `corpus`.
"""

from tfhkit.virtual.speaker import Performance, VirtualSpeaker, perform, random_speaker
from tfhkit.virtual.style import HeadMotion, PersonalStyle, head_motion, random_style
from tfhkit.virtual.visemes import ACTIONS, mouth_actions
from tfhkit.virtual.voice import Phoneme, Utterance, Word, default_speech, speak

__all__ = [
    "ACTIONS",
    "HeadMotion",
    "Performance",
    "PersonalStyle",
    "Phoneme",
    "Utterance",
    "VirtualSpeaker",
    "Word",
    "default_speech",
    "head_motion",
    "mouth_actions",
    "perform",
    "random_speaker",
    "random_style",
    "speak",
]
