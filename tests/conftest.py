"""What all tests share."""

from __future__ import annotations

import os
import signal

# One thread for each test process and for the scripts it starts, set before anybody loads torch or
# numpy: two workers fill two cores, and sums come out in the same order everywhere.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A shell starts background jobs with interrupts ignored, and what they start ignores them, too: the
# scripts of the tests are to die of an interrupt as in any terminal.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
