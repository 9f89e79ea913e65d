"""``python -m planning_core plan …``: the command behind ``./pkp plan``."""

from planning_core.command import main

if __name__ == "__main__":
    raise SystemExit(main())
