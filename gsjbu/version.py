"""The version, said once: pyproject.toml, the command line and the server read it here."""

__version__ = "0.2.0"
