"""Fitting the morphable model to a clip."""

from tfhkit.fit.clip import Fit, fit_clip
from tfhkit.fit.crop import Crop
from tfhkit.fit.report import interocular_px
from tfhkit.fit.tracked import Tracked, fit_tracked, read_tracked

__all__ = ["Crop", "Fit", "Tracked", "fit_clip", "fit_tracked", "interocular_px", "read_tracked"]
