import numpy as np
import pytest

from planning_core.case.report import sheet as module
from planning_core.case.report.charts import LINES, draw_heights
from planning_core.case.report.pictures import plt
from planning_core.case.report.sheet import sheet


@pytest.fixture
def written(monkeypatch):
    """Every line of text that a sheet is given."""
    lines = []
    finished = module.finished

    def note(title, figure):
        lines.extend(t.get_text() for t in figure.texts)
        renderer = figure.canvas.get_renderer()
        for text in figure.texts:
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0
            assert box.y0 >= -1
            assert box.x1 <= figure.bbox.width
        return finished(title, figure)

    monkeypatch.setattr(module, "finished", note)
    return lines


def test_no_reason_is_cut_off_however_long(plan, drawings, written):
    words = [f"word{n}" for n in range(400)]
    long = plan.model_copy(update={"reasons": (" ".join(words[:300]), " ".join(words[300:]))})
    made = sheet(long, drawings)
    assert set(" ".join(written).split()) >= set(words)
    assert made.pixels.shape[0] > sheet(plan, drawings).pixels.shape[0]


def test_dollar_signs_are_no_formula(plan, drawings, written):
    sheet(plan.model_copy(update={"reasons": (r"a $\frac{ b",), "product": "x $_{ y"}), drawings)
    assert any(r"a $\frac{ b" in line for line in written)


def test_the_sheet_begins_with_the_verdict(plan, drawings, written):
    sheet(plan, drawings)
    assert written[0].startswith(f"OpenPKP · {plan.level} · ")
    assert written[0].endswith({"accept": "Accept", "review": "Review", "refuse": "Refused"}[plan.verdict])
    assert plan.plan_hash[:16] in written[-1]


def test_every_mark_of_the_heights_chart_lies_within_its_frame(subject):
    figure, axes = plt.subplots()
    draw_heights(axes, subject.spine, subject.cement.level)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert len(axes.lines) == 2 * len(LINES)
    for line in axes.lines:
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        assert (x > left + 0.3).all()
        assert (x < right - 0.3).all()
        assert (y > bottom).all()
        assert (y < top - 0.05 * (top - bottom)).all()
    plt.close(figure)
