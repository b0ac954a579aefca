"""The kernel's two forms: ``fused`` (CPU, numba) and ``attention`` (torch, any device). See gsjbu/backends.py."""


def warm_up() -> bool:
    """Compile the fused kernel now, or read it from its cache; True if it can be used afterwards."""
    from gsjbu.backends import warm_up as state

    return state.run()
