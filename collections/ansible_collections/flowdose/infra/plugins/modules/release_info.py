#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Read which releases of an application are on a host
version_added: "0.1.0"
description:
  - Reads what role C(flowdose.infra.release) has left on the host. An application that was never deployed has no
    releases.
options:
  home:
    description: The application's folder.
    type: path
    required: true
author: The FlowDose infrastructure developers (@flowdose)
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
"""

EXAMPLES = r"""
- name: Read the releases of the backend
  flowdose.infra.release_info:
    home: /srv/flowdose/backend
  register: found
  become: true

- name: Say which one serves
  ansible.builtin.debug:
    msg: "{{ found.current }} took the place of {{ found.last.release }}"
  when: found.last
"""

RETURN = r"""
releases:
  description: The manifests of the complete releases, those that were made last first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The release's name, of the three that follow.
      type: str
    source:
      description: Digits of the commit, or of the digest of a folder.
      type: str
    build:
      description: Source, and a digest of what its build read beside it.
      type: str
    configuration:
      description: Digest of its environment.
      type: str
    commit:
      description: The full commit. V(none) for a folder.
      type: str
    made_at:
      description: When, in UTC.
      type: str
    made_by:
      description: By whom.
      type: str
current:
  description: Id of the one that serves; empty when none does.
  returned: always
  type: str
last:
  description: The last switch; empty when there was none.
  returned: always
  type: dict
  sample: {release: 3f2a-1-1, replaced_by: 91b4-2-2, replaced_at: "2026-11-23T10:00:00Z", run: ""}
taken_back:
  description: Releases, or builds, that were taken back -> when, by whom and for which one.
  returned: always
  type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.releases import current, last_switch, releases, taken_back


def main() -> None:
    module = AnsibleModule(argument_spec={"home": {"type": "path", "required": True}}, supports_check_mode=True)
    home = Path(module.params["home"])
    try:
        found = {
            "releases": releases(home),
            "current": current(home),
            "last": last_switch(home),
            "taken_back": taken_back(home),
        }
    except (ValueError, OSError) as error:
        module.fail_json(msg=f"the releases in {home} could not be read: {error}")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
