"""Evaluation of the stages against known truth: virtual speakers, and held-out frames."""
