"""One whole run: image → LR grid → fit → render → panels and metrics → result."""

from gsjbu.run import offers as offers  # whoever runs knows this machine's devices and models
