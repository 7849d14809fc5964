# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: dotenv
short_description: Render an environment file that its consumer reads back exactly
version_added: "0.1.0"
description:
  - Renders a dictionary as the text of a C(.env) file, one variable a line, sorted by name.
  - The parsers of Medusa and Next.js expand C($NAME) even inside single quotes and know no escapes for quotes. Each
    value is therefore quoted in the way that the consumer's own parser takes off again without a change; a value that
    no quoting can carry is refused.
positional: _input, consumer
options:
  _input:
    description:
      - The variables. Names are letters, digits and underscores.
      - Values are text, integers, or booleans, which become C(true) and C(false). A variable that is V(none) is left
        out.
      - Anything else is refused, floats too, because YAML reads an unquoted C(1.10) as 1.1.
    type: dict
    required: true
  consumer:
    description:
      - Whose parser reads the file, V(medusa) (dotenv 16 and dotenv-expand 11) or V(next) (C(@next/env)).
    type: str
    choices: [medusa, next]
    default: medusa
notes:
  - An error names the variable only, never its value.
  - V(medusa) refuses a backslash directly before a dollar sign, because Medusa loads the file again in child
    processes and loses one backslash each time.
seealso:
  - plugin: flowdose.infra.env_digests
    plugin_type: filter
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Write the environment of the backend
  ansible.builtin.copy:
    content: "{{ medusa_backend_env | flowdose.infra.dotenv('medusa') }}"
    dest: /srv/flowdose/backend/current/.env
    owner: flowdose
    group: flowdose
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_value:
  description: The text of the environment file.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flowdose.infra.plugins.module_utils.dotenv import DotenvError, render


def dotenv(variables: Mapping[str, Any], consumer: str = "medusa") -> str:
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError("dotenv: expected a dictionary of environment variables")
    try:
        return render(variables, consumer)
    except DotenvError as error:
        raise AnsibleFilterError(f"dotenv: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dotenv": dotenv}
