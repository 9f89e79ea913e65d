"""The science of OpenPKP: from a spine CT to millilitres of cement and needle paths. Never imports rclpy."""

import os

# The matrices here are small: a second BLAS thread costs more than it gives, and on a busy machine many times more, because it
# waits by spinning. One thread also gives the same last bit on every machine. Read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
