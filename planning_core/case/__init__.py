"""The case folder: plan with hash, audit chain, report, exports."""
