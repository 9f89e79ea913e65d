import attrs
import pytest
from pkp_planning.level_work import LevelJob, NoSuchSegmentationError, cement_of, paths_of
from pkp_planning.work import Job, OtherCtError, OtherPlanError, ingest, plan_case

from planning_core.case.inputs import CtChangedError, CtMovedError
from planning_core.case.plan import TamperedPlanError
from planning_core.case.revisions import NoPlanError
from planning_core.request import MissingLevelError
from tests.ros2.pkp_planning.synthetic_case import make


def quiet(stage):
    pass


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("planned"), whole=False)


@pytest.fixture
def job(made):
    return LevelJob(str(made.case), made.segmentation_sha256, "L1")


@pytest.fixture
def sealed(made):
    return Job("", case_path=str(made.case))


@pytest.mark.slow
def test_the_stages_alone_give_what_the_whole_walk_gave(tmp_path):
    made = make(tmp_path)
    stages, plan, job = [], made.plan, LevelJob(str(made.case), made.segmentation_sha256, "L1")
    cement = cement_of(job, stages.append)
    same_cement(cement, plan)
    assert stages == ["read", "model", "cement"]
    paths = paths_of(job, quiet)
    assert paths.sides == tuple(p.side for p in plan.paths)
    assert paths.grades == tuple(p.grade for p in plan.paths)
    assert [c * 1e3 for c in paths.clearances] == pytest.approx([p.clearance_mm for p in plan.paths], abs=1e-3)
    assert list(paths.breach_probabilities) == pytest.approx([p.p_breach for p in plan.paths], abs=1e-4)


def same_cement(cement, plan):
    ml = [plan.recommended_ml, plan.recommended_ml_low, plan.recommended_ml_high]
    assert [v * 1e6 for v in cement.recommended] == pytest.approx(ml, abs=1e-3)
    assert cement.deficit * 1e6 == pytest.approx(plan.defect_ml, abs=1e-3)
    assert (cement.verdict, cement.reasons) == (plan.verdict, plan.reasons)


def test_cement_alone_gives_what_the_plan_says(made, job):
    same_cement(cement_of(job, quiet), made.plan)


def test_a_segmentation_is_known_by_its_hash_alone(made, job):
    with pytest.raises(NoSuchSegmentationError) as caught:
        cement_of(attrs.evolve(job, segmentation_sha256="0" * 64), quiet)
    assert caught.value.kept == [made.segmentation_sha256]


def test_a_level_that_is_not_there_is_named(job):
    with pytest.raises(MissingLevelError):
        paths_of(attrs.evolve(job, level="T5"), quiet)


def test_the_sealed_plan_is_opened(made, sealed):
    facts = plan_case(sealed, quiet)
    assert (facts.plan_hash, facts.level, facts.verdict) == (made.plan.plan_hash, "L1", made.plan.verdict)
    assert facts.sides == ("left", "right")
    same = attrs.evolve(sealed, level="l1", ct_sha256=made.plan.ct_sha256, product=made.plan.product)
    assert plan_case(same, quiet) == facts


def test_a_sealed_plan_that_is_not_meant_is_not_opened(made, sealed):
    with pytest.raises(OtherPlanError):
        plan_case(attrs.evolve(sealed, level="L2"), quiet)
    with pytest.raises(OtherPlanError):
        plan_case(attrs.evolve(sealed, product="another"), quiet)
    with pytest.raises(OtherCtError):
        plan_case(attrs.evolve(sealed, ct_sha256="0" * 64), quiet)
    with pytest.raises(NoPlanError):
        plan_case(Job("", case_path=str(made.case / "nowhere")), quiet)


def test_an_edited_plan_is_not_opened(made, sealed):
    place = made.case / "plan.json"
    kept = place.read_bytes()
    try:
        place.write_bytes(kept.replace(b'"seed": ', b'"seed": 1'))
        with pytest.raises(TamperedPlanError):
            plan_case(sealed, quiet)
    finally:
        place.write_bytes(kept)


def test_the_cases_own_link_is_ingested_as_long_as_it_leads_to_its_ct(made, job):
    link = str(made.case / "inputs/ct")
    assert ingest(link, "", quiet).ct_sha256 == made.plan.ct_sha256
    away, kept = made.ct.with_name("moved.nii.gz"), made.ct.read_bytes()
    made.ct.rename(away)
    try:
        with pytest.raises(CtMovedError):
            ingest(link, "", quiet)
        with pytest.raises(CtMovedError):
            cement_of(job, quiet)
        other = ingest_of_another(made)
        with pytest.raises(CtChangedError) as caught:
            ingest(link, "", quiet)
        assert (caught.value.held, caught.value.found) == (made.plan.ct_sha256, other)
    finally:
        made.ct.write_bytes(kept)


def ingest_of_another(made):
    """Another CT at the place of the case's own; its hash."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(made.ct.with_name("moved.nii.gz")))
    image[0, 0, 0] = 7
    sitk.WriteImage(image, str(made.ct))
    return ingest(str(made.ct), "", quiet).ct_sha256
