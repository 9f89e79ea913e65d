from tests.ros2.small_plan import path, sealed_plan


def test_the_first_of_several_paths_of_a_side_is_meant():
    best, other = path("left", (25, 45, 0), (8, 2, -5)), path("left", (28, 45, 0), (9, 2, -5), kind="extrapedicular")
    right = path("right", (-25, 45, 0), (-8, 2, -5))
    assert sealed_plan(best, right, other, right).by_side == {"left": best, "right": right}
    assert list(sealed_plan(right, best, other).by_side) == ["right", "left"]
