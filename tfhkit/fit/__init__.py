"""Fitting the morphable model to a clip."""

from tfhkit.fit.clip import Fit, fit_clip, interocular_px
from tfhkit.fit.crop import Crop

__all__ = ["Crop", "Fit", "fit_clip", "interocular_px"]
