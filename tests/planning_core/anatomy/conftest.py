"""Real masks, read and modelled once."""

import functools

import pytest

from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.modelling import model_spine
from tests.data import shared_data


@functools.cache
def _spine(name: str):
    segmentation = LabelFileSegmenter(shared_data(name)).read()
    return segmentation, model_spine(segmentation, None)


@pytest.fixture(scope="session")
def modelled():
    """Segmentation and spine of a shared mask, by its name."""
    return _spine
