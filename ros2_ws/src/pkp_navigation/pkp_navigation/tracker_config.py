"""Settings of the tracker driver; a bad one is refused at start with its name and range."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Vector = tuple[float, float, float]


class ToolConfig(BaseModel):
    """One tool: where its geometry comes from and how it may move."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=20, description="frame name (patient_ref, robot_ref, probe_tip)")
    rom_file: Path | None = Field(None, description="tool definition file made by the manufacturer's software")
    markers_mm: tuple[Vector, ...] = Field((), max_length=20, description="or sphere centres in the tool's frame, mm")
    max_rms_error_mm: float = Field(0.5, gt=0, le=5, description="a worse fit is refused (assumed: twice the camera's 0.25 mm)")
    max_speed_mm_s: float = Field(
        150.0, gt=0, le=5000, description="faster is a jump, not a motion (assumed: a cough moves the back below 100 mm/s)"
    )
    max_turn_deg_s: float = Field(90.0, gt=0, le=3600, description="faster is a jump, not a turn (assumed)")
    jump_floor_mm: float = Field(0.8, ge=0, description="steps below this are noise (assumed: above 6 sigma of the camera)")
    jump_floor_deg: float = Field(1.0, ge=0, description="turns below this are noise (assumed: above 6 sigma)")
    max_gap_move_mm: float = Field(
        30.0, gt=0, description="however long it was unseen, a tool found further away than this has jumped (assumed)"
    )
    latch_jumps: bool = Field(True, description="a jump stays until acknowledged; off only for a hand-held probe")

    @model_validator(mode="after")
    def _one_geometry(self) -> Self:
        if (self.rom_file is None) == (not self.markers_mm):
            raise ValueError(f"tool {self.name}: give either rom_file or markers_mm")
        return self


class RigidPairConfig(BaseModel):
    """Two tools on one rigid body: their relation is known, so exchanged names and a bent mount show."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first: str
    second: str
    translation_mm: Vector = Field(description="origin of the second tool in the frame of the first, mm")
    rotation_vector_deg: Vector = Field((0.0, 0.0, 0.0), description="rotation second → first as axis times angle, degrees")
    tolerance_mm: float = Field(2.0, gt=0, description="assumed: above the camera's error at both")
    tolerance_deg: float = Field(2.0, gt=0, description="assumed")


class TrackerConfig(BaseModel):
    """The driver's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    port: str = Field(min_length=1, description="serial device, or a pseudo-terminal of the simulator")
    tools: tuple[ToolConfig, ...] = Field(min_length=1, max_length=15)
    rigid_pairs: tuple[RigidPairConfig, ...] = ()
    baud: Literal[9600, 115200, 230400, 921600] = Field(921600, description="line rate while tracking (COMM)")
    frame_rate_hz: float = Field(60.0, gt=0, le=400, description="rate of the device's frame counter (FACTS 1)")
    device_latency_ms: float = Field(14.2, ge=0, le=200, description="exposure to data ready (doi 10.1186/s13014-021-01804-7)")
    reply_timeout_s: float = Field(0.1, gt=0, le=2, description="longest wait for tracking data (assumed: six frames)")
    command_timeout_s: float = Field(2.0, gt=0, le=10, description="longest wait for any other reply")
    reset_timeout_s: float = Field(5.0, gt=0, le=30, description="longest wait for RESET after a serial break")
    stale_after_s: float = Field(0.1, gt=0, le=1, description="without a new frame for this long the tools are stale")
    max_age_s: float = Field(0.1, gt=0, le=1, description="a frame older than this when it comes is refused")
    frozen_after: int = Field(3, ge=2, le=60, description="this many bit-identical poses in a row mean frozen")
    bad_replies_to_reconnect: int = Field(5, ge=1, le=100, description="spoiled or missing replies in a row")
    reconnect_pause_s: float = Field(0.2, gt=0, le=10)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [tool.name for tool in self.tools]
        if len(set(names)) != len(names):
            raise ValueError(f"tool names must differ, got {names}")
        for pair in self.rigid_pairs:
            if pair.first == pair.second or not {pair.first, pair.second} <= set(names):
                raise ValueError(f"rigid pair {pair.first}–{pair.second} needs two different tools of {names}")
        return self
