"""A plugin of napari: an image layer, and a signal that is upsampled along its edges. Extra: ``napari``."""
