"""What all tests share."""

from __future__ import annotations

import os

# One thread for each test process and for the scripts it starts, set before anybody loads torch or
# numpy: two workers fill two cores, and sums come out in the same order everywhere.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
