"""What of the library's state does not travel, by name.

What is skipped is bound all the same, so that a program's reference to `sys.flags` is one at the target; it is only not
compared, and nothing behind it is looked at.

Three reasons to be here, and no others: it describes the place and not the program (paths, the interpreter's own
tables); it is a cache that only affects speed, which is asked for an entry in one step; or `state` carries it in a way
of its own. (`linecache.cache` is none: it is walked over, and who makes code keeps its source there.)
"""

from __future__ import annotations

EVERYWHERE = frozenset(
    ("__spec__", "__loader__", "__cached__", "__builtins__", "__file__", "__path__", "__package__", "__doc__")
)

MODULES: dict[str, frozenset[str]] = {
    # the interpreter's description of itself, and what `state` carries
    "sys": frozenset(
        (
            "argv", "path", "orig_argv", "modules", "path_importer_cache", "flags", "executable", "_base_executable",
            "prefix", "base_prefix", "exec_prefix", "base_exec_prefix", "platlibdir", "pycache_prefix", "warnoptions",
            "_xoptions", "version", "version_info", "hexversion", "implementation", "thread_info", "hash_info",
            "float_info", "int_info", "api_version", "platform", "byteorder", "maxsize", "maxunicode", "stdin",
            "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__", "last_type", "last_value", "last_traceback",
            "last_exc", "dont_write_bytecode", "ps1", "ps2", "_git", "_framework", "builtin_module_names",
            "stdlib_module_names", "copyright", "abiflags", "__interactivehook__", "_stdlib_dir",
        )
    ),
    "posix": frozenset(("environ",)),
    "builtins": frozenset(("_", "exit", "quit", "copyright", "credits", "license", "help")),
    "_frozen_importlib": frozenset(("_blocking_on", "_module_locks", "sys")),
    "_frozen_importlib_external": frozenset(("_pathseps_with_colon",)),
    "importlib._bootstrap": frozenset(("_blocking_on", "_module_locks", "sys")),  # the same, once importlib is there
    "importlib._bootstrap_external": frozenset(("_pathseps_with_colon",)),
    "zipimport": frozenset(("_zip_directory_cache",)),
    "site": frozenset(("PREFIXES", "USER_SITE", "USER_BASE", "ENABLE_USER_SITE")),
    "encodings": frozenset(("_cache",)),
    # caches
    "re": frozenset(("_cache", "_cache2")),
    "fnmatch": frozenset(("_cache",)),
    "sysconfig": frozenset(("_CONFIG_VARS", "_CONFIG_VARS_INITIALIZED")),
    "_sysconfigdata__linux_x86_64-linux-gnu": frozenset(("build_time_vars",)),
    # addresses of this process
    "_ctypes": frozenset(("_memmove_addr", "_memset_addr", "_string_at_addr", "_cast_addr", "_wstring_at_addr",
                          "_memoryview_at_addr")),
    "ctypes": frozenset(("_memmove_addr", "_memset_addr", "_string_at_addr", "_cast_addr", "_wstring_at_addr",
                         "_memoryview_at_addr", "_c_functype_cache")),
    # the threads of this process
    "threading": frozenset(
        ("_active", "_limbo", "_dangling", "_active_limbo_lock", "_shutdown_locks", "_shutdown_locks_lock")
    ),
}  # fmt: skip

CLASSES: dict[tuple[str, str], frozenset[str]] = {
    # os.environ: `state` carries the variables
    ("os", "_Environ"): frozenset(("_data",)),
    ("importlib._bootstrap_external", "FileFinder"): frozenset(
        ("_path_mtime", "_path_cache", "_relaxed_path_cache")
    ),
    ("_frozen_importlib_external", "FileFinder"): frozenset(
        ("_path_mtime", "_path_cache", "_relaxed_path_cache")
    ),
    ("threading", "_MainThread"): frozenset(
        ("_ident", "_native_id", "_tstate_lock", "_handle", "_os_thread_handle")
    ),
    ("ctypes", "CDLL"): frozenset(("_handle",)),
    ("ctypes", "PyDLL"): frozenset(("_handle",)),
}

STATE = frozenset(  # of sys: what `state` carries object and all
    (
        "argv",
        "path",
        "stdin",
        "stdout",
        "stderr",
        "__stdin__",
        "__stdout__",
        "__stderr__",
        "dont_write_bytecode",
    )
)


def skipped(kind: str, name: tuple[object, ...], key: object) -> bool:
    """Does what this edge leads to stay behind? `name` is the label of the object (`shapes.label`)."""
    if kind == "module":
        return key in EVERYWHERE or key in MODULES.get(str(name[1]), ())
    if kind == "instance":
        module, _, cls = str(name[0]).rpartition(".")
        return key in CLASSES.get((module, cls), ())
    return False


def hidden(kind: str, name: tuple[object, ...], key: object) -> bool:
    """Of skipped edges: is the object itself not the same on both sides?"""
    return kind == "module" and name[1] == "sys" and key in STATE
