"""Warm, killable worker processes for libraries that can crash, hang, or be led astray by their input.

A worker is `python -m dataspace.sandbox`, never a fork of a threaded process.
It confines itself before it imports its target: an address space of `memory`
bytes, `cpu` seconds of processor time, no core dumps, few files, death with its
parent, no ptrace, an empty environment, one thread for each numeric library.
Frames are a length of 8 bytes and MessagePack over a socket pair of its own;
nothing is ever unpickled, and what a library prints goes to /dev/null, for it
may hold cells of a dataset. Whose call is served next, `waiting` says. A target
may have a method `_idle`: it is called between requests, as long as it
returns true and no request waits, for pieces of work that were put off. Every
target gets a method `report(stage, percent)`, by which it tells the caller,
while it works, where it stands: frames of their own before the reply.

`memory` counts address space, not resident pages: DuckDB 2.0 reserves 0.75 GB of
it, pyarrow 26 0.34 GB, both together 1.05 GB, TenSEAL 0.14 GB (measured, one
thread each), and a dataset comes on top. Below 1.1 GB DuckDB with pyarrow does
not start; 2 GiB is a sensible least.
"""

from dataspace.sandbox.child import Progress
from dataspace.sandbox.pool import Pool
from dataspace.sandbox.waiting import asking

__all__ = ["Pool", "Progress", "asking"]
