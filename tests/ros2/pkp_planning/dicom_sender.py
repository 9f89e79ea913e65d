"""A foreign device that sends a series: pynetdicom's own user of the storage service."""

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLosslessSV1
from pynetdicom import AE

from hardware_sim.patient.dicom import write_series
from planning_core.geometry import Grid

OURS = "OPENPKP"


def series(folder, seed=1, count=14, size=24):
    """Instances of a small CT, in order."""
    hu = np.random.default_rng(seed).normal(40.0, 20.0, (count, size, size)).astype(np.int16)
    hu[:, :6], hu[4:9, 10:16, 10:16] = -1000, 700
    write_series(hu, Grid(hu.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), seed, folder)
    return [pydicom.dcmread(p) for p in sorted(folder.iterdir())]


def call(port, title="CARM", ours=OURS, classes=(CTImageStorage,), syntaxes=(ExplicitVRLittleEndian,), bind="127.0.0.1"):
    """An association, accepted or not."""
    ae = AE(title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 20
    for sop_class in classes:
        ae.add_requested_context(sop_class, list(syntaxes))
    return ae.associate("127.0.0.1", port, ae_title=ours, bind_address=(bind, 0))


def send(association, instances):
    """Statuses of the answers."""
    return [association.send_c_store(i).get("Status") for i in instances]


def push(port, instances, **how):
    """A whole association: statuses."""
    association = call(port, **how)
    assert association.is_established
    try:
        return send(association, instances)
    finally:
        association.release()


COMPRESSED = JPEGLosslessSV1
