"""What a batch is asked for, and when it has to give up: all that is known before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gsjbu.batch.signal_files import BACKBONE
from gsjbu.errors import GsjbuError
from gsjbu.io import stretching
from gsjbu.io.kinds import AUTO, CLASS_KINDS
from gsjbu.io.words import WORDS
from gsjbu.io.writers import ENDINGS
from gsjbu.settings import Settings, default

#: Forms of results without floats of their own.
NO_FLOATS = ("png", "kernel")
OF_FIT = ("stride", "iters", "radius", "objective", "optimiser", "lr_image", "seed")


@dataclass(frozen=True)
class BatchConfig:
    """All that decides the bytes of the results; kept in ``settings.json``."""

    form: str = "npy"
    half: bool = False
    stride: int = default("stride")
    iters: int = default("iters")
    radius: int = default("radius")
    objective: str = "auto"
    optimiser: str = default("optimiser")
    lr_image: str = default("lr_image")
    device: str = default("device")
    backbone: str = default("backbone")
    seed: int = default("seed")
    resolution: int = 0  # long side in pixels; 0 keeps the image's own size
    guide_masks: str = ""  # a folder with one mask for each image, under its name
    stretch: str = ""  # what becomes 0 and 1 in each band, as it is typed
    entry: str = ""  # which array of each signal's file, where files hold several
    kind: str = AUTO
    invalid: str = AUTO
    layout: str = AUTO
    fill: bool = False
    names: tuple[str, ...] = ()
    probabilities: bool = False  # of labels each class's share, over the classes of the whole folder
    codes: tuple[int, ...] = ()  # these classes; found when the run starts

    @property
    def words(self) -> dict[str, Any]:
        """What is said of every signal."""
        return {name: getattr(self, name) for name in WORDS}

    def check(self, signals: str) -> None:
        """Refuse what would be refused for every image. Raises GsjbuError; ``signals``: as for a run."""
        if self.form not in ENDINGS:
            raise GsjbuError("output_format", f"form is {self.form!r}; it must be one of {', '.join(ENDINGS)}.")
        Settings.parse({name: getattr(self, name) for name in OF_FIT})
        if self.resolution:
            Settings.parse({"resolution": self.resolution})
        if self.device not in ("auto", "cpu"):
            from gsjbu.core import devices  # here: it brings torch

            devices.resolve(self.device)
        if self.half and self.form in NO_FLOATS:
            raise GsjbuError("output_format", f"float16 has no part in results of the form {self.form}; leave it out.")
        if self.probabilities and self.form == "png":
            from gsjbu.io.levels import SHARES  # here: it brings torch

            raise GsjbuError("output_format", SHARES)
        if self.entry and signals == BACKBONE:
            raise GsjbuError("setting_invalid", "entry has no part where the backbone makes the signals; leave it out.")
        if self.stretch:
            stretching.parse(self.stretch)
        if self.words == BatchConfig().words and not self.probabilities:
            return
        from gsjbu.io.signals import Asked, no_classes  # here: they bring torch

        kind = Asked.parse(**self.words).kind
        kind = "features" if signals == BACKBONE else kind
        for name in ("names", "probabilities"):
            if kind is not None and kind not in CLASS_KINDS and getattr(self, name):
                raise no_classes(name, kind)

    def as_dict(self) -> dict[str, Any]:
        """Name -> value, as JSON has them."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


class WriteFailed(OSError):
    """The results cannot be written (disk full, no permission): every further image would fail too."""
