"""The documented name of :mod:`gsjbu.io.pictures`: what lies there may be imported from here as well."""

from gsjbu.io.pictures import decode, decode_pixels, png_bytes, resize_area, shrink, to_image, to_uint8

__all__ = ["decode", "decode_pixels", "png_bytes", "resize_area", "shrink", "to_image", "to_uint8"]
