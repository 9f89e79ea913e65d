import pytest
from pkp_control.ticker import taken_as_of


@pytest.mark.parametrize(
    ("stamp_s", "said_s"),
    [
        pytest.param(9.98, 9.98, id="measured before the call"),
        pytest.param(10.016, 10.0, id="measured while the call was held up"),
        pytest.param(10.5, 10.5, id="from the future"),
    ],
)
def test_what_came_while_a_call_was_held_up_is_new_and_what_is_ahead_of_the_clock_stays_ahead(stamp_s, said_s):
    assert taken_as_of(stamp_s, now_s=10.0, clock_s=10.02) == said_s
