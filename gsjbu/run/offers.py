"""Hands the settings what only this machine knows: its devices, and the models that are or may be had here."""

from __future__ import annotations

from functools import partial

from gsjbu.core import devices
from gsjbu.models import catalogue
from gsjbu.settings import Offer, hand_in

hand_in("device", Offer(unavailable_reason=devices.unavailable_reason))
for kind in catalogue.KINDS:
    hand_in(kind, Offer(partial(catalogue.local_choices, kind), catalogue.unavailable_reason))
