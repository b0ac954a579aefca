"""What ``auto`` does after mixing: class counts matched, edges of the whole image, smoothing along lines."""
