"""One whole run: image → LR grid → fit → render → panels and metrics → result."""
