"""The scripts of ``deploy/``, which are no part of the package, as modules."""

from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from flight_assets.settings import PROJECT_ROOT

DEPLOY = PROJECT_ROOT / "deploy"


def script(name: str) -> ModuleType:
    """Return ``deploy/NAME.py`` as a module."""
    spec = spec_from_file_location(name, DEPLOY / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
