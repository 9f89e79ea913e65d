"""``python -m pkp_bringup.device MODULE ARGUMENT…``: a device that knows nothing of ROS, ended when its parent is gone."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

LOOK_S = 1.0


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Become the module."""
    module, *arguments = sys.argv[1:]
    parent = os.environ.get("OPENPKP_PARENT")
    if parent is not None:
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
