"""Describes the package to colcon; planning_core and the pinned libraries come from the project's own environment."""

from setuptools import find_packages, setup

NAME = "pkp_console"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["web"]),
    package_data={NAME: ["static/*", "static/**/*"]},
    data_files=[("share/ament_index/resource_index/packages", [f"resource/{NAME}"]), (f"share/{NAME}", ["package.xml"])],
    zip_safe=False,
    entry_points={"console_scripts": ["console = pkp_console.command:main"]},
)
