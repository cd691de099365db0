"""The table that a heap begins with: the names of all that its pickle may call, each at its place.

Theory. A pickle of ours refers to a constructor by a number, since that costs two bytes and no call. The number is a
place in the writer's table, which is written once, before the pickle; the reader gives each place what *it* has by that
name. So constructors can be added, moved to other modules and entered in another order, and older images are still
read. Where both tables are alike, which is the rule for a move, they are compared as bytes and nothing is built.

An image may come from a newer Sojourn whose table has more. That alone is no reason to refuse it, since it may use
none of these: their places stay empty, and a reference to one is refused with its name.

Hostile until checked: `read` caps the size and takes nothing but names, each once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sojourn.errors import BadImage

LARGEST = 1 << 16  # bytes of a table
_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*", re.ASCII)
_LONGEST = 100

# The table of format 1, whose heaps have places and no names.
FORMAT_1: Sequence[str] = """
standard_stream code_with_sets same nested_code loads fill_cell cell make_function fill_function method
shared_descriptor class_attribute module_attribute library_attribute bind bind_own fill_decorated super make_class
fill_class fill_registry type_of_sample type_of fill_dict fill_set make_frozenset new_from fill_list fill_bytearray
fill_items fill_through fill_init fill_random new_reference new_decorated fill_columns enum_member object.__new__
copied_array mapped_array array_view dict_iterator dict_view set_iterator walk reverse set_position class_dict
mappingproxy fill_attributes match_again make_proxy make_lru fill_lru make_lock make_rlock make_view
make_local_context make_type_variable GenericAlias make_exception fill_exception make_traceback fill_traceback
csv_dialect csv_writer csv_reader json_scanner json_encoder regular_scanner binary_struct comparison_key
ordered_view simple_queue fill_queue thread_local used_up_listing folder_entry empty_iterator fill_iterator
empty_group fill_group empty_data fill_data empty_longest fill_longest make_record fill_record finished_generator
make_generator fill_generator make_step await_of module_named fill_module fill_loose module new_frozendict
new_sentinel new_interpolation new_template decimal_variable make_variable make_context fill_context make_token
_fill_in_any_order open_raw closed_raw open_buffered closed_buffered closed_text fill_file_attributes fill_buffered
fill_text
""".split()  # noqa: SIM905 (a list of literals would take a line each)


def written(names: Iterable[str]) -> bytes:
    """The table as an image has it."""
    return "\n".join(names).encode()


def read(data: bytes) -> list[str]:
    """The names in a table. Raises BadImage."""
    if len(data) > LARGEST:
        raise BadImage(f"the table of the heap has {len(data)} bytes; {LARGEST} are allowed")
    names = data.decode("ascii", "replace").split("\n")
    for name in names:
        if len(name) > _LONGEST or not _NAME.fullmatch(name):
            raise BadImage(f"the table of the heap names {name[:_LONGEST]!r}, which cannot be a constructor")
    if len(set(names)) < len(names):
        raise BadImage("the table of the heap has a name twice")
    return names
