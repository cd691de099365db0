"""The machine of kind "python": CPython processes that can be frozen, moved and thawed.

Two halves that share only `messages`:

* inside (standard library only, injected as a zip): `boot`, `template`, `launch`, `privacy`, `host`;
* outside (in the node): `driver`, `hosted`, `templates`, `interpreters`, `inside_zip`, `packages`, `link`.
"""
