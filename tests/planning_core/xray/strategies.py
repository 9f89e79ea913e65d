"""Views and points that Hypothesis draws."""

from hypothesis import strategies as st

from planning_core.xray.geometry import PinholeView

angles = st.floats(-85, 85, allow_nan=False)
coordinates = st.floats(-120, 120, allow_nan=False)
points = st.tuples(coordinates, coordinates, coordinates)


@st.composite
def views(draw: st.DrawFn, frame: str = "carm") -> PinholeView:
    """A C-arm anywhere, of ordinary size, whose picture need not be square nor its pixels."""
    sid = draw(st.floats(900, 1300))
    size = draw(st.tuples(st.integers(64, 512), st.integers(64, 512)))
    spacing = draw(st.tuples(st.floats(0.2, 2), st.floats(0.2, 2)))
    return PinholeView.isocentric(
        draw(st.floats(-180, 180)),
        draw(angles),
        sid,
        sid * draw(st.floats(0.5, 0.75)),
        size,
        spacing,
        frame=frame,
        from_detector_side=draw(st.booleans()),
    )
