import pytest

from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from tests.data import VERSE005_MASK, shared_data


@pytest.fixture(scope="session")
def real_segmentation():
    return LabelFileSegmenter(shared_data(VERSE005_MASK)).read()


@pytest.fixture(scope="session")
def real_vertebrae(real_segmentation):
    """L3 and L4 of a real spine."""
    return model_spine(real_segmentation, None, [VertebraLevel.L3, VertebraLevel.L4]).vertebrae
