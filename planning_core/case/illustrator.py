"""Everything of a case that is drawn or written for others and decides nothing: made beside the planning, in a second process."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine
from planning_core.case.dicom_seg import make_dicom_seg
from planning_core.case.plan import Plan
from planning_core.case.report.drawings import Drawings, Overview, Slices, draw_overview, draw_slices, still_picture
from planning_core.case.report.page import render
from planning_core.case.report.scene import Part, simple_bones, simple_cement
from planning_core.case.report.sheet import sheet
from planning_core.case.report.subject import Made, Subject
from planning_core.case.surfaces import bone_surfaces, cement_surfaces
from planning_core.cement.plan import CementPlan
from planning_core.geometry.arrays import Float32Array
from planning_core.imaging.identity import PatientIdentity
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.plan import TrajectoryPlan


class Illustrator:
    """Is told what there is as it comes into being: ``segmented``, ``modelled``, ``cemented``, ``planned``, ``reported``."""

    _ct: CtVolume | None
    _segmentation: SpineSegmentation
    _spine: Spine
    _level: VertebraLevel
    _made: Made
    _cement: CementPlan
    _overview: Overview
    _subject: Subject
    _slices: Slices

    def segmented(
        self, ct: CtVolume | None, segmentation: SpineSegmentation, labels_sha256: str | None, identity: PatientIdentity | None
    ) -> bytes:
        """The segmentation as a DICOM SEG file."""
        self._ct, self._segmentation = ct, segmentation
        seed, source = (str(labels_sha256), None) if ct is None else (ct.sha256, ct.dicom)
        file = io.BytesIO()
        make_dicom_seg(segmentation, seed, source, identity).save_as(file, enforce_file_format=True)
        return file.getvalue()

    def modelled(self, spine: Spine, level: VertebraLevel) -> Made:
        """The vertebrae's surfaces."""
        self._spine, self._level = spine, level
        bones = bone_surfaces(spine)
        self._made = Made(bones, simple_bones(spine, level, bones))
        self._overview = draw_overview(self._ct, self._segmentation, spine, level)
        return self._made

    def cemented(self, cement: CementPlan) -> Made:
        """The surfaces of body and defect."""
        self._cement = cement
        surfaces = cement_surfaces(self._spine.vertebrae[self._level], cement)
        more = Made(surfaces, simple_cement(self._level, surfaces))
        self._made = self._made.with_more(more)
        return more

    def planned(self, trajectories: TrajectoryPlan) -> None:
        """Draw the slices."""
        self._subject = Subject(self._ct, self._segmentation, self._spine, self._cement, trajectories, self._made)
        self._slices = draw_slices(self._subject)

    def reported(
        self, plan: Plan, parts: list[Part], views: Float32Array, identity: PatientIdentity | None
    ) -> tuple[bytes, bytes]:
        """``report.html`` and ``report.png``.

        Args:
            parts: the scene. views: ``still_views`` of it.
        """
        drawings = Drawings(self._slices, self._overview, still_picture(views), parts)
        with ThreadPoolExecutor(1) as pool:  # the page's pictures are compressed while the sheet is laid out
            page = pool.submit(render, self._subject, plan, drawings, identity)
            laid_out = sheet(plan, drawings).png()
            return page.result(), laid_out
