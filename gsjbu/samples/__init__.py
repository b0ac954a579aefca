"""Built-in scenes: something to look at before anyone uploads a picture, with exact classes and depth."""

from gsjbu.samples.scenes import SAMPLES, TRUTHS, Sample, Samples, frame

__all__ = ["SAMPLES", "TRUTHS", "Sample", "Samples", "frame"]
