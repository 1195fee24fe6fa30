"""tfhkit: audio-driven talking heads with personalised head pose, to learn from and to explore."""

__version__ = "0.1.0"
