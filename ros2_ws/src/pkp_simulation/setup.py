"""Describes the package to colcon; hardware_sim and the pinned libraries come from the project's own environment."""

from setuptools import find_packages, setup

NAME = "pkp_simulation"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(),
    data_files=[("share/ament_index/resource_index/packages", [f"resource/{NAME}"]), (f"share/{NAME}", ["package.xml"])],
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "arm_controller = pkp_simulation.arm_controller:main",
            "arm_mirror = pkp_simulation.arm_mirror:main",
        ]
    },
)
