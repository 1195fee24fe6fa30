"""Fitting the morphable model to a clip."""

from tfhkit.fit.clip import Fit, fit_clip
from tfhkit.fit.crop import Crop
from tfhkit.fit.report import interocular_px

__all__ = ["Crop", "Fit", "fit_clip", "interocular_px"]
