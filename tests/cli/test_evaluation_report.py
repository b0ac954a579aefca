"""The report of many pictures: means, best, classes, and what was not measured."""

from __future__ import annotations

import csv
import html

from gsjbu.cli.evaluation_report import as_csv, as_html

ROWS = [
    {"name": "a<b.png", "width": 8, "height": 6, "kind": "labels",
     "metrics": {"bilinear": {"miou": 0.5, "classes": {"sky": 0.5}}, "auto": {"miou": 0.75, "classes": {"sky": 0.75}}}},
    {"name": "c.png", "width": 8, "height": 6, "kind": "labels",
     "metrics": {"bilinear": {"miou": 0.7, "classes": {"sea": 0.7}}, "auto": {"miou": None, "classes": {}}}},
]  # fmt: skip


def test_the_table_has_one_line_a_picture_and_method():
    lines = list(csv.DictReader(as_csv(ROWS).splitlines()))
    found = [(one["picture"], one["method"], one["miou"]) for one in lines]
    assert found[:2] == [("a<b.png", "bilinear", "0.5"), ("a<b.png", "auto", "0.75")]
    assert found[2:] == [("c.png", "bilinear", "0.7"), ("c.png", "auto", "")]
    assert lines[1]["IoU sky"] == "0.75"
    assert lines[2]["IoU sky"] == ""


def test_the_page_says_means_the_best_and_what_failed():
    page = as_html(ROWS, [{"name": "d.png", "code": "image_type", "error": "It is no picture."}])
    assert "<td>bilinear</td><td>0.6</td>" in page
    assert "<td>auto</td><td>0.75 ★</td>" in page
    assert "a&lt;b.png" in page
    assert "<td>sea</td><td>0.7</td><td>–</td>" in page
    assert "It is no picture." in page


def test_the_star_goes_to_what_is_better_by_each_measure():
    figures = {"agrees": (0.5, 0.9), "edge_rmse": (0.3, 0.1), "boundary_miou": (0.2, 0.6), "sad": (9.0, 4.0)}
    worse, better = ({name: pair[n] for name, pair in figures.items()} for n in (0, 1))
    row = ROWS[0] | {"metrics": {"bilinear": worse, "auto": better}}
    page = as_html([row], [])
    for low, high in figures.values():
        assert f"<td>{high:g} ★</td>" in page and f"<td>{low:g}</td>" in page
    assert "Lower is better: edge_rmse (the signal's unit), sad (thousands of pixels)." in html.unescape(page)
    assert "Higher is better: agrees, boundary_miou. ★ is best." in page
