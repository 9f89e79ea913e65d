import pytest
from hypothesis import settings

RERUNS = 2
ROS_RERUNS = 3
settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a shared machine
settings.load_profile("untimed")


def pytest_collection_modifyitems(items):
    """Permits and readings live a fraction of a second. A shared test machine takes its processors away for longer at times; the
    nodes then stop, rightly, and the test has not seen what it asks for: it is tried again, and the summary counts that."""
    for item in items:
        if not item.get_closest_marker("flaky"):
            item.add_marker(pytest.mark.flaky(reruns=ROS_RERUNS if item.get_closest_marker("ros") else RERUNS))
