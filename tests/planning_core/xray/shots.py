"""Pictures of a shape at a known place as XA files, flat shadows in a soft trunk: for what comes before and after the fit."""

import numpy as np
import pydicom
from skimage.draw import polygon

from hardware_sim.carm.xray_dicom import write_xa
from planning_core.xray.image import XrayImage
from planning_core.xray.overlay import outline


def shot(view, shape, seed=0):
    """Line integrals: a trunk that thins out to the sides, the shape's shadow, and a little noise."""
    columns = view.size[1]
    across = (np.arange(columns) - columns / 2) / (0.4 * columns)
    pixels = np.broadcast_to(1.5 * np.exp(-(across**2)), view.size).copy()
    for n, line in enumerate(outline(view.project(shape.vertices), shape.model.triangles)):
        inside = polygon(line[:, 0], line[:, 1], view.size)
        pixels[inside] += 0.8 if n == 0 else -0.5
    pixels += 0.01 * np.random.default_rng(seed).standard_normal(view.size)
    return XrayImage(np.maximum(pixels, 0.01), view, line_integrals=True)


def write_shots(folder, views, shape, seed=0):
    """One XA file per view; their paths."""
    paths = []
    for n, view in enumerate(views):
        paths.append(folder / f"shot_{n}.dcm")
        write_xa(shot(view, shape, seed + n), paths[-1], seed)
    return paths


def make_run(path):
    """The file's picture, in 8 bits, becomes frame 1 of two; frame 0 is darker."""
    header = pydicom.dcmread(path)
    one = header.pixel_array.astype(float)
    one = (255 * (one - one.min()) / np.ptp(one)).astype(np.uint8)
    header.NumberOfFrames, header.PixelData = 2, np.stack([one // 2, one]).tobytes()
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit = 7
    header.save_as(path)
