"""What branches and nodes may be called, since modules of torch will bear their names."""

from __future__ import annotations

import re

NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
_ATTRIBUTES = """T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu cuda double
dump_patches eval extend extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half how
insert ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters pop
register_backward_hook register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook
register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu zero_grad"""
TAKEN = frozenset(_ATTRIBUTES.split())
"""The attributes that modules have themselves; no child of theirs may be called so."""


def checked_name(name: str) -> str:
    """The name, or a ValueError that says why it is none."""
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{name!r} is no name; use letters, digits and _, a letter first")
    if name in TAKEN:
        raise ValueError(f"{name!r} means something to torch; choose another name")
    return name
