"""What the device says of itself: VER, GET, GETINFO, SFLIST."""

from __future__ import annotations

from hardware_sim.tracker.config import CameraConfig
from hardware_sim.tracker.wire import NO_SUCH_USER_PARAMETER, OUT_OF_RANGE, DeviceError, signed_field


def version(config: CameraConfig, text: str) -> str:
    """The reply to VER.

    Raises:
        DeviceError: a reply option that is not offered.
    """
    if text not in ("", "0", "3", "4", "5"):
        raise DeviceError(f"VER {text}: 0, 3, 4 and 5 are offered", number=OUT_OF_RANGE)
    return f"{config.model}\nOpenPKP simulated position sensor\nFreeze Tag: G.001.005\n"


def user_parameter(config: CameraConfig, name: str) -> str:
    """The value of a user parameter.

    Raises:
        DeviceError: there is none of that name.
    """
    values = {
        "Features.Firmware.Version": "001.005",
        "Features.Hardware.Model": config.model,
        "Param.Tracking.Frame Frequency": f"{config.frame_rate_hz:g}",
    }
    if name not in values:
        raise DeviceError(f"no user parameter {name[:40]}", number=NO_SUCH_USER_PARAMETER)
    return values[name]


def features(config: CameraConfig, text: str) -> str:
    """The reply to SFLIST: feature bits, active ports, passive ports, and the volume in a layout of our own.

    The volume is ``10`` and near, far, half extents x and y near and far, each sign and six digits in 1/100 mm.

    Raises:
        DeviceError: a reply option that is not offered.
    """
    volume = config.volume
    sizes = (volume.near_mm, volume.far_mm, *volume.near_half_mm, *volume.far_half_mm)
    answers = {"00": "00000003", "01": "0", "02": "F", "03": "10" + "".join(signed_field(size, 6, 2) for size in sizes)}
    if text not in answers:
        raise DeviceError(f"SFLIST {text}: 00 to 03 are offered", number=OUT_OF_RANGE)
    return answers[text]
