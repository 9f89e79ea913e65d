"""Installs pkp_control as a ROS 2 package."""

from setuptools import find_packages, setup

setup(
    name="pkp_control",
    version="0.1.0",
    packages=find_packages(),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/pkp_control"]),
        ("share/pkp_control", ["package.xml"]),
    ],
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "arm = pkp_control.arm:main",
            "verification = pkp_control.verification:main",
            "injector = pkp_control.injector:main",
        ]
    },
)
