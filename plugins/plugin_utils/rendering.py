"""The templates of a role, rendered as Ansible renders them, into objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.observability.stack.plugins.plugin_utils import manifest


def render(action: ActionBase, templates: Sequence[str], variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects in these templates of the role that the task of `action` is for.

    One copy of the templating engine renders all of them; the lookup `template` copies every variable for each. Raises ValueError, which
    names the template, when one cannot be rendered.
    """
    templar = action._templar.copy_with_new_env(available_variables={**variables, "ansible_search_path": action._task.get_search_path()})
    found: list[dict[str, Any]] = []
    for name in templates:
        try:
            path = action._find_needle("templates", name)
            text = trust_as_template(action._loader.get_text_file_contents(path))
            found += manifest.load(str(templar.template(text, escape_backslashes=False)))
        except (AnsibleError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error
    return found
