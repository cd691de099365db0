"""The first module of ours that a template runs. In the zip it is called `sitecustomize`.

It notes what the interpreter has loaded before anything of ours comes in, and hands over to `template`. The call
returns in every host that is forked later, and the interpreter goes on as if nothing had been: with the user's own
sitecustomize if there is one, else with the ImportError that `site` expects then. (In a thawed host the user's has
been imported before, as the program did.)
"""
# pyright: basic
# (_abc has no stubs)

import _abc  # pyright: ignore[reportMissingImports]
import abc
import sys

_modules = {name: dict(module.__dict__) for name, module in sys.modules.items() if name != "sitecustomize"}
_importers = set(sys.path_importer_cache)
_registered = {
    thing: [reference() for reference in _abc._get_dump(thing)[0]]
    for attributes in _modules.values()
    for thing in attributes.values()
    if isinstance(thing, abc.ABCMeta)
}

from sojourn.machines.python import template  # noqa: E402  (the notes must be taken first)

if template.main(_modules, _importers, _registered):
    sys.modules.pop("sitecustomize", None)
    import sitecustomize  # noqa: F401  # pyright: ignore
elif "sitecustomize" not in sys.modules:
    raise ImportError("thawed", name="sitecustomize")
