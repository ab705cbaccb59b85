"""What setuptools does differently here: the hosts' hooks at the root stay out of wheels (pyproject: cmdclass)."""

from __future__ import annotations

from setuptools.command.build_py import build_py

HOOKS = ("install", "preload")
"""Modules of the root folder that only hosts run, from their clone."""


class BuildPackage(build_py):
    """build_py without the hooks."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """List (package, module, file) of a package."""
        found = super().find_package_modules(package, package_dir)
        return [one for one in found if not (package == "underdrawing" and one[1] in HOOKS)]
