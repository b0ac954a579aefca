"""Scripts to read and run: ``python -m examples.point_similarity`` and so on, from the repository's root."""
