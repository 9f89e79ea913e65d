"""Every number of registration that is policy, a device's or assumed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat


class BeadConfig(BaseModel):
    """How steel beads are told from bone and other metal."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metal_hu: float = Field(2000.0, gt=0, description="assumed: cortical bone stays below, steel saturates above")
    size_ratio: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.55, 2.1), description="assumed: seen diameter over true one; partial volume shrinks, blooming widens"
    )
    max_aspect: float = Field(1.45, gt=1, description="longest over shortest axis; a ball has 1, a screw 3 and more")
    max_misfit: float = Field(0.09, gt=0, description="rms of the fit over the contrast seen; a cube of steel has 0.12")
    margin_mm: float = Field(2.0, gt=0, description="what is fitted reaches this far beyond the bead")
    blur_mm: tuple[PositiveFloat, PositiveFloat] = Field((0.15, 1.6), description="spread of the scanner's blur, allowed")
    centre_error_voxel: float = Field(
        0.07,
        ge=0,
        description="one sigma per axis beside noise, in voxels; simulated scans show 0.01–0.02 (benchmarks/registration.py), "
        "the rest is left to real scanners' distortion: assumed",
    )
    max_metal: int = Field(60, gt=0, description="pieces of metal beyond which the scan is refused, not searched for hours")


class MatchConfig(BaseModel):
    """When beads in view are the plate's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tolerance_mm: float = Field(0.8, gt=0, description="a bead in place lies within this; about eight sigma of a bead's centre")
    min_beads: int = Field(5, ge=4, description="four can agree by chance among screws, five do not")
    lead: int = Field(2, ge=1, description="beads by which the best arrangement must beat any other")
    max_beads: int = Field(40, ge=5, description="beads in view beyond which the scan is refused")


class TrackerConfig(BaseModel):
    """What the camera's poses are worth and when they are used."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fle_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        (0.07, 0.07, 0.22),
        description="one marker's sigma along the tracker's x, y and depth; 0.25 mm together (Vicra, FACTS 1), split assumed",
    )
    systematic_share: float = Field(0.5, ge=0, le=1, description="assumed share of that variance which averaging leaves")
    shared_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="assumed share of what averaging leaves that changes smoothly over the volume: neighbours have it too",
    )
    shared_wavelength_mm: float = Field(2000.0, gt=0, description="over which it changes (assumed: the volume's size)")
    reference_calibration_mm: float = Field(0.03, ge=0, description="assumed sigma of a tool's marker positions")
    max_rms_mm: float = Field(0.5, gt=0, description="a pose's own marker rms; twice the camera's acceptance (FACTS 1)")
    max_age_s: float = Field(60.0, gt=0, description="assumed: between the scan's last frame and registration")
    max_skew_s: float = Field(0.002, ge=0, description="plate's and reference's stamps of one frame may differ by this")
    min_sightings: int = Field(10, ge=2, description="frames that see both; fewer cannot show that nothing moved")
    max_spread_mm: float = Field(
        0.6, gt=0, description="rms of the beads' places in patient_ref about their mean: above it something moved"
    )


class SurfaceConfig(BaseModel):
    """Points against a surface."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trim: float = Field(0.15, ge=0, lt=0.5, description="share of the points farthest off that is left out")
    start_turns_deg: float = Field(8.0, ge=0, description="starts are turned by this about each axis")
    start_shift_mm: float = Field(4.0, ge=0, description="and shifted by this along each")
    max_iterations: int = Field(60, gt=0)
    settled_mm: float = Field(1e-3, gt=0, description="a step below this ends the search")
    point_error_mm: float = Field(0.5, gt=0, description="assumed sigma of one point off the surface: probe, cartilage, mask")
    correlated_mm: float = Field(5.0, ge=0, description="points nearer than this count as one: masks err in patches")
    max_rms_mm: float = Field(1.0, gt=0, description="kept points' rms off the surface above which nothing was found")
    max_predicted_mm: float = Field(2.0, gt=0, description="95 % bound at the surface's middle above which points do not hold")
    min_points: int = Field(12, ge=6)


class ExposedConfig(BaseModel):
    """A vertebra laid bare and touched all over."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    touches: int = Field(100, ge=12, le=400, description="of the bone; 60 seldom hold the target to a millimetre (95 %)")
    frames: int = Field(12, ge=10, le=1000, description="camera frames that each is held for: their number averages the rest")
    tips_mm: float = Field(
        8.0, gt=0, description="rms of the three tips about the model's: a tip is a matter of opinion (assumed)"
    )
    apart_mm: float = Field(3.0, gt=0, description="a touch nearer than this to another tells nothing new (assumed)")
    off_mm: float = Field(8.0, gt=0, description="a touch further off the bone than this is not meant as one of it (assumed)")
    point_error_mm: float = Field(0.5, gt=0, description="assumed sigma of the bone's surface: mask, cartilage")
    grip: float = Field(0.35, gt=0, lt=1, description="how unlike the faces of the three check places are; a corner's has 1")


class CarryConfig(BaseModel):
    """One vertebra between two scans."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    points: int = Field(1500, ge=100, description="of the bone's surface")
    samples: int = Field(5000, ge=500, description="voxels in and around the bone whose Hounsfield units are compared")
    block_mm: float = Field(10.0, gt=0, description="halves held out against each other alternate in blocks this wide")
    band_mm: tuple[float, PositiveFloat] = Field((-5.0, 2.5), description="signed distance of those voxels from the surface")
    levels_mm: tuple[PositiveFloat, ...] = Field((2.0, 1.0), description="voxels the scans are averaged to, coarse to fine")
    metal_hu: float = Field(2000.0, gt=0, description="voxels above this are left out of the comparison")
    min_correlation: float = Field(
        0.85, ge=0, le=1, description="of the bone's Hounsfield units once in place; the same bone has 0.95, a neighbour 0.74"
    )
    other_scanner_mm: float = Field(
        0.1, ge=0, description="assumed sigma per axis: two scanners' distortion, which simulated pairs of scans do not have"
    )
    max_held_out_mm: float = Field(
        0.6, gt=0, description="rms of held-out surface points off the other surface; the same bone has 0.11, a neighbour 0.71"
    )
    max_halves_mm: float = Field(0.7, gt=0, description="rms distance between where either half puts the bone")


class AcceptanceConfig(BaseModel):
    """When a registration may guide an arm."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_predicted_mm: float = Field(1.0, gt=0, description="95 % bound at the planned target; the guide is verified to 1 mm")
    max_check_mm: float = Field(1.5, gt=0, description="assumed: distance between a check point and where it should be")
    check_confidence: float = Field(0.999, gt=0.5, lt=1, description="share of honest check points that pass")
    max_check_distance_mm: float = Field(120.0, gt=0, description="assumed: a check point further away says little of the target")
    min_independent_mm: float = Field(8.0, ge=0, description="a check point nearer to a fiducial than this repeats it")
    min_independent_touch_mm: float = Field(
        2.0, ge=0, description="the same for probed surfaces, whose points lie everywhere on the bone: a touch of its own"
    )
    fit_confidence: float = Field(0.9999, gt=0.5, lt=1, description="share of honest fits whose residuals pass as their model's")


class FiducialConfig(BaseModel):
    """Which balls on the skin count, and when touches are theirs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    diameter_mm: float = Field(3.0, gt=0.5, le=10, description="of the balls; the probe's tip rests in their middle (assumed)")
    least: int = Field(6, ge=6, description="four can agree by chance, five do not; one more to check them by")
    most: int = Field(12, ge=6, le=40, description="touching takes seconds each (assumed)")
    tolerance_mm: float = Field(1.5, gt=0, description="a touch lies within this of its ball: the skin yields (assumed)")
    apart_mm: float = Field(8.0, gt=0, description="touches nearer than this are of one ball (assumed)")


class RegistrationConfig(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    beads: BeadConfig = Field(default_factory=BeadConfig)
    matching: MatchConfig = Field(default_factory=MatchConfig)
    tracker: TrackerConfig = Field(default_factory=TrackerConfig)
    surface: SurfaceConfig = Field(default_factory=SurfaceConfig)
    carry: CarryConfig = Field(default_factory=CarryConfig)
    fiducials: FiducialConfig = Field(default_factory=FiducialConfig)
    exposed: ExposedConfig = Field(default_factory=ExposedConfig)
    acceptance: AcceptanceConfig = Field(default_factory=AcceptanceConfig)
