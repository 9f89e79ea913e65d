"""``python -m planning_core plan …``: the command behind ``./pkp plan``."""

import os

# products here are three wide, and the stages' own threads share the processors: a BLAS's threads only get in their way
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from planning_core.command import main

if __name__ == "__main__":
    raise SystemExit(main())
