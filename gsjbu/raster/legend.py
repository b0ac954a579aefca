"""What the signal's file says of its numbers – scale, offset, unit, names, tags, colours –, said of the result too."""

from __future__ import annotations

from typing import Any

#: Tags that are of the signal's own grid or numbers, and no longer true of the result.
_NOT_THE_RESULTS = ("AREA_OR_POINT", "STATISTICS_", "TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION", "OVR_")


def has_colours(data: Any) -> bool:
    """Whether an open dataset has a colour table."""
    try:
        data.colormap(1)
    except ValueError:
        return False
    return True


def copy_legend(coarse: Any, out: Any) -> None:
    """From one open dataset to another of as many bands."""
    out.update_tags(**_lasting(coarse.tags()))
    out.scales, out.offsets = coarse.scales, coarse.offsets
    for band, (words, unit) in enumerate(zip(coarse.descriptions, coarse.units, strict=True), 1):
        out.update_tags(band, **_lasting(coarse.tags(band)))
        if words:
            out.set_band_description(band, words)
        if unit:
            out.set_band_unit(band, unit)
    if has_colours(coarse):
        out.write_colormap(1, coarse.colormap(1))


def _lasting(tags: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in tags.items() if not name.startswith(_NOT_THE_RESULTS)}
