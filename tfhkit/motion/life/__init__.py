"""What a mean prediction takes away from a person: amplitude, head, brows, gaze and blinks."""

from tfhkit.motion.life.enliven import enliven
from tfhkit.motion.life.learn import Life, learn_life

__all__ = ["Life", "enliven", "learn_life"]
