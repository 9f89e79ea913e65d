"""CT ingest: DICOM, NIfTI, NRRD, MHA in; one CtVolume in LPS out, or a named refusal."""
