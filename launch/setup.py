"""Describes the package to colcon; planning_core and the pinned libraries come from the project's own environment."""

from glob import glob

from setuptools import find_packages, setup

NAME = "pkp_bringup"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(),
    package_data={NAME: ["*.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml", *glob("*.launch.py")]),
    ],
    zip_safe=False,
    entry_points={
        "console_scripts": ["up = pkp_bringup.up:main", "status = pkp_bringup.status:main"],
    },
)
