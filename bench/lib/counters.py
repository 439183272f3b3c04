# SPDX-License-Identifier: MIT
"""Instructions and cycles of another process, by perf_event_open(2): no tool has to be installed.

    with Counters(pid) as counters:
        ...
    counters.values   {"instructions:u": ..., "instructions:k": ..., "cycles": ...}, or {}

All threads that the process has at that moment are counted, and those that they start. Where the
kernel forbids it (kernel.perf_event_paranoid, a container) or the machine has no such counters,
values is empty and `forbidden` says why.
"""
import ctypes
import os
import pathlib
import struct

PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
HARDWARE = 0
CYCLES, INSTRUCTIONS = 0, 1
INHERIT = 1 << 1
EXCLUDE_USER, EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR = 1 << 4, 1 << 5, 1 << 6
CLOEXEC = 8
EVENTS = {
    "instructions:u": (INSTRUCTIONS, EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR),
    "instructions:k": (INSTRUCTIONS, EXCLUDE_USER | EXCLUDE_HYPERVISOR),
    "cycles": (CYCLES, EXCLUDE_HYPERVISOR),
}
SIZE = 112  # of perf_event_attr, version 5

_libc = ctypes.CDLL(None, use_errno=True)


def _open(thread, event):
    config, flags = EVENTS[event]
    # type, size, config, period, sample_type, read_format, flags; the rest is zero.
    attributes = struct.pack("=IIQQQQQ", HARDWARE, SIZE, config, 0, 0, 0, flags | INHERIT)
    buffer = ctypes.create_string_buffer(attributes.ljust(SIZE, b"\0"), SIZE)
    fd = _libc.syscall(PERF_EVENT_OPEN[os.uname().machine], buffer, thread, -1, -1, CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


class Counters:
    def __init__(self, pid, events=tuple(EVENTS)):
        self.pid = pid
        self.events = events
        self.values = {}
        self.forbidden = None
        self._fds = {}

    def __enter__(self):
        try:
            for thread in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
                for event in self.events:
                    self._fds.setdefault(event, []).append(_open(int(thread.name), event))
        except (OSError, KeyError) as error:
            self.forbidden = str(error)
            self._close()
        return self

    def __exit__(self, *_):
        for event, fds in self._fds.items():
            self.values[event] = sum(struct.unpack("=Q", os.read(fd, 8))[0] for fd in fds)
        if not all(self.values.values()):  # a counter that exists but does not count
            self.forbidden = self.forbidden or "the counters stay at zero"
            self.values = {}
        self._close()

    def _close(self):
        for fds in self._fds.values():
            for fd in fds:
                os.close(fd)
        self._fds = {}


def why_forbidden():
    """None where user instructions may be counted; else the reason."""
    with Counters(os.getpid(), ("instructions:u",)) as counters:
        sum(range(1000))
    return counters.forbidden
