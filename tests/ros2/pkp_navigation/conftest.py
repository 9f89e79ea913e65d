import pytest

from tests.ros2.pkp_navigation.planned import planned_room


@pytest.fixture(scope="session")
def truth(tmp_path_factory):
    """A planned patient, scanned; only to be read."""
    return planned_room(tmp_path_factory.mktemp("room"))
