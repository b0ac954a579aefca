"""Built-in scenes: something to look at before anyone uploads a picture, with exact classes and depth."""

from gsjbu.samples.scenes import SAMPLES, Sample, Samples, frame

__all__ = ["SAMPLES", "Sample", "Samples", "frame"]
