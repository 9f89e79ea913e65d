"""Describes the package to colcon; planning_core and the pinned libraries come from the project's own environment."""

from setuptools import find_packages, setup

NAME = "pkp_planning"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(),
    data_files=[("share/ament_index/resource_index/packages", [f"resource/{NAME}"]), (f"share/{NAME}", ["package.xml"])],
    zip_safe=True,
    entry_points={
        "console_scripts": ["ct_ingest = pkp_planning.ct_ingest:main", "planner = pkp_planning.planner:main"],
    },
)
