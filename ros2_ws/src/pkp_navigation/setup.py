"""Installs pkp_navigation into a colcon workspace."""

from setuptools import find_packages, setup

NAME = "pkp_navigation"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    package_data={NAME: ["tools/*.json"]},
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="OpenPKP maintainers",
    maintainer_email="maintainers@openpkp.example",
    description="OpenPKP: optical tracker and registration",
    license="Apache-2.0",
    entry_points={
        "console_scripts": ["tracker = pkp_navigation.tracker:main", "registration = pkp_navigation.registration:main"],
    },
)
