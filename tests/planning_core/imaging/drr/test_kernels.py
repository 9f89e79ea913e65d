import subprocess
import sys

import pytest

from tests.data import ROOT

caching = pytest.importorskip("numba.core.caching")


def test_without_a_place_for_its_cache_code_is_still_compiled(monkeypatch):
    from planning_core.imaging.drr.kernels import compiled

    for kind in (caching.CacheImpl, *caching.CacheImpl.__subclasses__()):
        monkeypatch.setattr(kind, "_locator_classes", [])

    def twice(x):
        return 2 * x

    assert compiled(twice)(21) == 42


def test_numba_is_not_imported_before_a_picture_is_made():
    said = (
        "import sys, planning_core.command, planning_core.imaging.drr, planning_core.xray, planning_core.registration.xray_to_ct"
    )
    run = subprocess.run(
        [sys.executable, "-c", f"{said}; print('numba' in sys.modules)"], capture_output=True, text=True, cwd=ROOT
    )
    assert run.stdout.strip() == "False", run.stderr
