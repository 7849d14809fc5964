# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking things up: the one implementation of all `<noun>_info` modules but `database_cluster_info`.

A module says what it lists, `run_info(Droplet)`. Its result is `{<plural>: [facts]}`, the same flat facts that the
module of the kind returns, and never a secret.
"""

from __future__ import annotations

from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule

from .client import CLIENT_OPTIONS, CloudError
from .resource import TIMEOUT_OPTION, Cloud, Facts, without_secrets


class Listed(Protocol):
    """What can be looked up: every kind of resource, and what the catalogue offers."""

    plural: str

    def observe_all(self, cloud: Cloud, scope: str | None) -> list[Facts]: ...


def run_info(kind: Listed, *, key: str = "name", scope: str | None = None) -> None:
    """The main function of an info module.

    `key` is the fact, and the option, that one of them is looked up by. `scope` is the option that says where to look,
    for a kind that is listed per scope. Kinds that can be tagged can be looked up by `tag`.
    """
    module = AnsibleModule(argument_spec=info_spec(kind, key, scope), supports_check_mode=True)
    params = module.params
    try:
        cloud = Cloud.from_options({**params, "timeout": TIMEOUT_OPTION["default"]})
        listed = kind.observe_all(cloud, params[scope] if scope else None)
        found = [
            without_secrets(getattr(kind, "options", {}), facts)
            for facts in select(listed, key, params[key], params.get("tag"))
        ]
    except CloudError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(changed=False, **{kind.plural: found})


def info_spec(kind: Listed, key: str = "name", scope: str | None = None) -> dict[str, Any]:
    """All options of the info module of a kind."""
    return {
        **CLIENT_OPTIONS,
        **({scope: {"type": "str", "required": True}} if scope else {}),
        key: {"type": "str"},
        **({"tag": {"type": "str"}} if getattr(kind, "taggable", None) else {}),
    }


def select(found: list[Facts], key: str, value: str | None, tag: str | None) -> list[Facts]:
    """Those of that name and with that tag; tags differ in more than upper and lower case, or are the same."""
    return [
        facts
        for facts in found
        if (value is None or facts[key] == value)
        and (tag is None or tag.lower() in (other.lower() for other in facts["tags"]))
    ]
