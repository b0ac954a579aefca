"""Quality, measured: ``python -m benchmarks.quality`` (or ``make quality``).

Depth: RMSE (scenes scaled to 0–255, mean over scenes), and within 5 pixels of depth edges; lower is better. Labels:
mIoU in per cent over the pooled confusion matrix, and within 5 pixels of class borders; higher is better. Rows whose
data is absent are skipped with the reason; those on the built-in scenes are always measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import families, probe, spoilt
from benchmarks import scenes as sound
from benchmarks.gallery import Gallery
from benchmarks.methods import IN_NOISE, METHODS, OURS, PER_CHANNEL
from benchmarks.probe import mean_iou
from benchmarks.scenes import IGNORE, Row, Scene, fitted_to, noisy
from gsjbu.run import metrics

GUIDES = {
    "": "its own image",
    "gauss": "Gaussian noise, σ = 0.1",
    "salt10": "10 % salt and pepper",
    "salt20": "20 % salt and pepper",
    "other": "another scene's image",
}
OUT = Path("build/quality")
ROWS = (*sound.ROWS, *families.ROWS, *spoilt.ROWS)
# What "never worse" allows: per row against any other method, per scene against the better plain interpolation.
ROW_DEPTH, ROW_LABELS, SCENE_DEPTH, SCENE_LABELS = 1.01, 0.2, 1.02, 1.0


@dataclass
class Figures:
    """One method on one row: a figure per scene and over all, each overall and near edges; mean time per image."""

    scenes: list[float] = field(default_factory=list)
    scenes_band: list[float] = field(default_factory=list)
    tables: list[np.ndarray] = field(default_factory=list)
    tables_band: list[np.ndarray] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, scene: Scene, result: Tensor, seconds: float) -> None:
        """Score one scene."""
        self.seconds.append(seconds)
        if scene.classes is None:
            truth = torch.from_numpy(scene.truth.astype(np.float32))[None]
            for where, scenes in ((scene.valid, self.scenes), (scene.band, self.scenes_band)):
                scenes.append(scene.unit * metrics.rmse(result, truth, torch.from_numpy(where)))
            return
        labels = scene.classes[result.argmax(0).numpy()]
        for where, tables, scenes in (
            (scene.valid, self.tables, self.scenes),
            (scene.band, self.tables_band, self.scenes_band),
        ):
            one = metrics.confusion(labels, np.where(where, scene.truth, IGNORE), 256, IGNORE)
            tables.append(one)
            scenes.append(mean_iou(one))

    @property
    def overall(self) -> tuple[float, float]:
        """The row's figure, and the same near edges."""
        if self.tables:
            return mean_iou(np.sum(self.tables, axis=0)), mean_iou(np.sum(self.tables_band, axis=0))
        return float(np.mean(self.scenes)), float(np.mean(self.scenes_band))


def measure(row: Row, guide: str, names: list[str], threads: int, gallery: Gallery | None) -> dict[str, Figures]:
    """All methods on a row, with the guide of that sort."""
    figures = {name: Figures() for name in names}
    scenes = list(row.load())
    for i, scene in enumerate(scenes):
        image = scene.image
        if guide == "other":
            image = fitted_to(_stranger(row, scenes, i), scene)
        elif guide:
            image = noisy(image, guide)
        shown = {}
        for name in names:
            start = time.perf_counter()
            result = METHODS[name](image, scene.signal, scene.grid, threads)(scene.signal)
            figures[name].add(scene, result, time.perf_counter() - start)
            shown[name] = result
        if gallery is not None and not guide and i == 0:
            gallery.add(row.name, scene, shown)
    return figures


def _stranger(row: Row, scenes: list[Scene], i: int) -> Tensor:
    """The next scene's image; a built-in one's where there is only one."""
    if len(scenes) > 1:
        return scenes[(i + 1) % len(scenes)].image
    from gsjbu.samples import SAMPLES

    return SAMPLES["paper"].image


def verdict(row: Row, guide: str, figures: dict[str, Figures]) -> list[str]:
    """Where ``auto`` loses by more than is allowed; empty if nowhere.

    Over the row to any method that is not ours; in a scene to the better of bilinear and bicubic; with a guide of
    another scene, over the row, to bilinear by more than 1 %.
    """
    auto, depth = figures["auto"], row.kind == "depth"
    better, value = (min if depth else max), auto.overall[0]
    if guide == "other":
        bilinear = figures["bilinear"].overall[0]
        worse = value > bilinear * 1.01 if depth else value < bilinear * 0.99
        return [f"the row: {value:.2f} against bilinear's {bilinear:.2f}"] if worse else []
    lost = []
    rivals = {name: found.overall[0] for name, found in figures.items() if name not in OURS}
    name = better(rivals, key=lambda n: rivals[n])
    if value > rivals[name] * ROW_DEPTH if depth else value < rivals[name] - ROW_LABELS:
        lost.append(f"the row: {value:.2f} against {rivals[name]:.2f} ({name})")
    plain = zip(figures["bilinear"].scenes, figures["bicubic"].scenes, strict=True)
    for k, (mine, theirs) in enumerate(zip(auto.scenes, map(better, plain), strict=True)):
        if mine > theirs * SCENE_DEPTH if depth else mine < theirs - SCENE_LABELS:
            lost.append(f"scene {k + 1}: {mine:.2f} against {theirs:.2f}")
    return lost


def commit() -> str:
    """The commit that is measured, with a + if files of the core differ from it."""
    core = ("gsjbu/core", "benchmarks")

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno", *core) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def heading(names: list[str]) -> str:
    """The first two lines of a Markdown table."""
    return f"| row | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"


def line(title: str, row: Row, values: list[float]) -> str:
    """A line of the table, its best figure in bold."""
    best = (min if row.kind == "depth" else max)(values)
    cells = (f"**{v:.2f}**" if abs(v - best) < 0.005 else f"{v:.2f}" for v in values)
    return f"| {title} | {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; the exit status is 1 if ``auto`` lost anywhere by more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="only rows whose name has this regular expression in it")
    parser.add_argument("--methods", default="", help="only these methods, comma-separated (auto is always measured)")
    parser.add_argument("--no-noise", action="store_true", help="leave out noisy and unrelated guides")
    parser.add_argument("--guides", default="", help=f"only these of them, of {', '.join(list(GUIDES)[1:])}")
    parser.add_argument("--no-probe", action="store_true", help="leave out the linear probe")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, default=OUT, help="folder for table, figures and gallery")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    names = [n for n in METHODS if not options.methods or n in options.methods.split(",")]
    names += [n for n in ("bilinear", "bicubic", "auto") if n not in names]
    gallery, report = Gallery(), Report(options.out)
    report.say(f"Commit {commit()}, {options.threads} threads.")
    rows = [row for row in ROWS if re.search(options.rows, row.name)]

    report.say("", "## Own image", "", heading(names))
    times = {}
    for row in rows:
        if row.missing:
            report.say(f"| {row.name} | skipped: {row.missing} |")
            continue
        figures = measure(row, "", names, options.threads, gallery)
        times[row.name] = [1000 * float(np.mean(figures[n].seconds)) for n in names]
        report.add(row, "", figures)
        report.say(line(row.name, row, [figures[n].overall[0] for n in names]))
        report.say(line(f"{row.name}, near edges", row, [figures[n].overall[1] for n in names]))

    report.say("", "## Time per image, ms", "", heading(names))
    for title, values in times.items():
        report.say(f"| {title} | {' | '.join(f'{v:.0f}' for v in values)} |")

    if not options.no_noise:
        few = [n for n in names if n in IN_NOISE]
        for guide, title in list(GUIDES.items())[1:]:
            if options.guides and guide not in options.guides.split(","):
                continue
            report.say("", f"## Guide: {title}", "", heading(few))
            for row in rows:
                if row.noisy and not row.missing:
                    figures = measure(row, guide, few, options.threads, None)
                    report.add(row, guide, figures)
                    report.say(line(row.name, row, [figures[n].overall[0] for n in few]))

    if not options.no_probe and re.search(options.rows, "linear probe"):
        report.say("", "## Linear probe on SqueezeNet features, CamVid, mIoU (both halves)", "")
        if probe.missing():
            report.say(f"skipped: {probe.missing()}")
        else:
            scenes = probe.load()
            for name in names:
                if name not in PER_CHANNEL:
                    one, two = probe.measure(METHODS[name], scenes, options.threads)
                    report.say(f"- {name}: {(one + two) / 2:.2f} ({one:.2f}, {two:.2f})")

    report.say("", "## Figures of each scene, the better of bilinear and bicubic → auto", "", *report.scenes)
    report.say("", "## Where auto loses by more than is allowed", "", *(report.lost or ["nowhere"]))
    gallery.write(options.out / "gallery.html")
    report.write()
    print(f"\nWritten to {options.out}: table.md, figures.json, gallery.html")
    return 1 if report.lost else 0


class Report:
    """What is printed, and kept for the files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text: list[str] = []
        self.scenes: list[str] = []
        self.lost: list[str] = []
        self.figures: list[dict] = []

    def say(self, *lines: str) -> None:
        """Print lines and keep them."""
        for text in lines:
            print(text, flush=True)
            self.text.append(text)

    def add(self, row: Row, guide: str, figures: dict[str, Figures]) -> None:
        """Keep a row's figures of each scene, and where auto lost."""
        self.lost += [f"- {row.name}, {GUIDES[guide]}: {what}" for what in verdict(row, guide, figures)]
        if not guide:
            three = zip(*(figures[name].scenes for name in ("bilinear", "bicubic", "auto")), strict=True)
            better = min if row.kind == "depth" else max
            pairs = (f"{better(one, other):.2f} → {auto:.2f}" for one, other, auto in three)
            self.scenes.append(f"- {row.name}: " + ", ".join(pairs))
        for name, found in figures.items():
            overall, band = found.overall
            self.figures.append(
                {
                    "row": row.name, "guide": guide, "method": name, "overall": overall, "near_edges": band,
                    "scenes": found.scenes, "scenes_near_edges": found.scenes_band, "seconds": found.seconds,
                }
            )  # fmt: skip

    def write(self) -> None:
        """table.md and figures.json."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "table.md").write_text("\n".join(self.text) + "\n", encoding="utf-8")
        (self.folder / "figures.json").write_text(json.dumps(self.figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
