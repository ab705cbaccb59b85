"""The extension for A1111, Forge and their relatives.

The host starts three files by their paths: preload.py, install.py and scripts/underdrawing.py; everything else is the
package `underdrawing`, imported relatively. A part is a module with ``register() -> dict[str, type] | None``, called
whenever the host loads its scripts (again at each Reload UI, where our modules stay imported): it adds its callbacks to
`hosts.get_host()` and returns the script classes that the host is to find.
"""
