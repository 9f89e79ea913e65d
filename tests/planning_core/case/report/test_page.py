import re

import attrs
import pytest

from planning_core.case.plan import Plan
from planning_core.case.report.drawings import draw_all
from planning_core.case.report.page import render
from planning_core.case.report.sheet import sheet
from planning_core.imaging.identity import PatientIdentity

HOSTILE = "</ul><script>alert(1)</script><img src=x onerror=alert(2)>'\"&"


@pytest.fixture(scope="module")
def page(subject, plan, drawings):
    return render(subject, plan, drawings).decode()


def _outside_scripts(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.S)


def test_the_verdict_comes_first_with_its_reasons(page, plan):
    body = page.split("</header>")[1]
    assert body.lstrip().startswith(f'<section class="verdict {plan.verdict}">')
    assert all(body.index(reason) < body.index("<img") for reason in plan.reasons)


def test_every_number_one_would_act_on_is_there(page, plan):
    for text in (f"{plan.recommended_ml:.1f} ml", f"{plan.defect_ml:.1f} ml", f"Genant {plan.genant}", plan.plan_hash):
        assert text in page
    for path in plan.paths:
        assert f"<td>{path.clearance_mm:.1f}</td>" in page


def test_the_millilitres_are_traced_to_the_solid_that_is_drawn(page, subject, plan):
    assert subject.cement.defect.volume / 1000 == pytest.approx(plan.defect_ml, abs=1e-3)
    assert f"{plan.defect_ml:.1f} ml: ideal body less collapsed body" in page


def _poisoned(plan: Plan) -> Plan:
    """A plan with hostile text wherever it holds any."""
    texts = ("level", "method", "product", "template", "fracture", "software", "plan_hash", "ct_sha256", "labels_sha256")
    lists = ("reasons", "policy", "warnings", "partial_levels", "neighbours", "refused_paths")
    poisoned_path = plan.paths[0].model_copy(update={"kind": HOSTILE, "side": HOSTILE, "grade": HOSTILE, "warnings": (HOSTILE,)})
    return plan.model_copy(
        update={
            **dict.fromkeys(texts, HOSTILE),
            **dict.fromkeys(lists, (HOSTILE,)),
            "paths": (poisoned_path,),
            "numbering": {"source": HOSTILE, "confidence": 1.0, "cues": [HOSTILE]},
            "interval_parts_ml": {HOSTILE: 1.0},
            "error_budget_mm": {HOSTILE: 1.0},
        }
    )


def test_no_text_of_the_plan_becomes_markup(subject, plan, drawings):
    clean = render(subject, plan, drawings).decode()
    hostile = render(subject, _poisoned(plan), drawings, PatientIdentity(HOSTILE, HOSTILE)).decode()
    assert "alert(1)" in hostile
    assert hostile.count("<script") == clean.count("<script") == 2
    assert hostile.count("<img") == clean.count("<img")
    assert not re.search(r"<[^>]*\son\w+\s*=", _outside_scripts(hostile))


def test_only_the_pages_own_script_may_run(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]+'$", policy)


def test_nothing_is_asked_of_the_network(page):
    outside = _outside_scripts(page)
    assert not re.search(r"https?://|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]*", "", outside))
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]*"', outside)


def test_a_name_is_shown_only_when_it_was_asked_for(page, subject, plan, drawings):
    named = render(subject, plan, drawings, PatientIdentity("Doe^Jane", "4711")).decode()
    assert "Doe^Jane · 4711" in named
    assert "class=who" not in page


def test_a_plan_from_masks_with_every_path_refused_has_a_report_too(subject, plan):
    why = "left transpedicular: pedicle 2.9 mm wide"
    bare = attrs.evolve(subject, ct=None, trajectories=attrs.evolve(subject.trajectories, paths=(), refused=(why,)))
    refused = plan.model_copy(
        update={
            "paths": (),
            "refused_paths": (why,),
            "ct_sha256": None,
            "spongiosa_hu": None,
            "gas_ml": None,
            "verdict": "refuse",
        }
    )
    drawings = draw_all(bare)
    page = render(bare, refused, drawings).decode()
    assert why in page
    assert '<section class="verdict refuse"><h2>Refused</h2>' in page
    assert page.count("needs a CT") == 2
    assert sheet(refused, drawings).pixels.shape[0] > 500


def test_a_still_picture_stands_in_for_the_turning_one(page):
    still = page.index('id="still"')
    assert page.index('id="view3d"') < still < page.index("data:image/png", still) < page.index("Spine and heights")
