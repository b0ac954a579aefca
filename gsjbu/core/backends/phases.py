"""A small lock-free scheduler for compiled loops: phases of numbered tasks, claimed by whoever is free.

Why not numba's prange: its thread pools are process-wide, the portable one may not be entered from two
Python threads at once, and each region ends in a barrier over all threads, so one busy core stalls
everybody. Here a phase ends when its *tasks* are done, not when all threads have arrived: a thread that the
system has put aside costs nothing unless it holds a task, and a job may be joined or left at any time.

All state is one int64 array, one cache line apart per field:

    WORD    phase << 32 | next task         claimed by fetch-and-add
    DONE    tasks of this phase that are finished
    STOP    1: leave at once
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gsjbu.core.compiler import njit

WORD, DONE, STOP = 0, 8, 16
SIZE = 24
SHIFT = 32
MASK = (1 << 32) - 1
CLOSED = 1 << 31  # a phase that waits for the leader: every claim is past the last task


def _yielding() -> str:
    """The system's function that offers the core to another thread, by a name under which compiled code finds it."""
    if sys.platform != "win32":
        return "sched_yield"
    address = ctypes.cast(ctypes.windll.kernel32.SwitchToThread, ctypes.c_void_p).value
    binding.add_symbol("SwitchToThread", address)
    return "SwitchToThread"


YIELDING = _yielding()


def new_control() -> np.ndarray:
    """A control array, phase 0 closed."""
    control = np.zeros(SIZE, dtype=np.int64)
    control[WORD] = CLOSED
    return control


def _pointer(context, builder, array_type, array, index):
    struct = context.make_array(array_type)(context, builder, array)
    return builder.gep(struct.data, [index])


@intrinsic
def atomic_load(typingctx, array, index):
    """array[index], seen as the other threads left it."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, signature.args[0], *args)
        return builder.load_atomic(pointer, "seq_cst", 8, typ=ir.IntType(64))

    return types.int64(array, types.intp), codegen


@intrinsic
def atomic_store(typingctx, array, index, value):
    """array[index] = value, after everything written before it."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, types.int64), codegen


@intrinsic
def atomic_add(typingctx, array, index, value):
    """Add to array[index]; returns what was there before."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


@intrinsic
def _yield_core(typingctx):
    """Offer the core to another thread."""

    def codegen(context, builder, signature, args):
        function_type = ir.FunctionType(ir.IntType(32), [])
        function = cgutils.get_or_insert_function(builder.module, function_type, YIELDING)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.none(), codegen


@njit(nogil=True, cache=True)
def claim(control, tasks_even, tasks_odd, last):
    """The next task of the running phase: (phase, task). Waits while there is none; phase -1 means leave.

    ``last``: leave when this phase is reached.
    """
    spins = 0
    while True:
        if atomic_load(control, STOP) != 0:
            return -1, 0
        word = atomic_load(control, WORD)
        phase = word >> SHIFT
        if phase >= last:
            return -1, 0
        tasks = tasks_even if phase % 2 == 0 else tasks_odd
        if (word & MASK) < tasks:
            word = atomic_add(control, WORD, 1)
            phase = word >> SHIFT
            tasks = tasks_even if phase % 2 == 0 else tasks_odd
            if (word & MASK) < tasks:
                return phase, word & MASK
        spins += 1
        if spins > 100:
            _yield_core()


@njit(nogil=True, cache=True)
def finish(control, tasks):
    """Count one task as done; True for the one caller that finished the phase."""
    if atomic_add(control, DONE, 1) + 1 == tasks:
        atomic_store(control, DONE, 0)
        return True
    return False


@njit(nogil=True, cache=True)
def open_phase(control, phase, closed):
    """Begin ``phase``, or leave it closed until the leader opens it."""
    atomic_store(control, WORD, (phase << SHIFT) + (CLOSED if closed else 0))
