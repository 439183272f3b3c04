# SPDX-License-Identifier: MIT
"""What `make bench` consists of; bench/run.py is its entry.

machine    what machine and which versions; is a cache line's way short at the moment?
counters   instructions and cycles of another process, from the kernel
figures    samples, medians, spreads; a row of the final table, and whether it meets its goal
servers    starting and stopping servers, and the two load generators
programs   running the benchmark programs that print JSON lines
rows_*     what is measured: runtime, server, echo, micro, shared state
record     the JSON file and the plots
"""
