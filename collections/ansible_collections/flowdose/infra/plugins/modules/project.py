#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: project
short_description: Projects of the control panel
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a project, changes it, moves resources into it, or deletes it when it is empty.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the project.
    type: str
    required: true
  description:
    description: Free text.
    type: str
  purpose:
    description: What it is for, such as V(Web Application). Required when it does not exist yet.
    type: str
  environment:
    description: What the control panel shows, V(Development), V(Staging) or V(Production).
    type: str
  resources:
    description:
      - Resources that shall be in it, each as C(KIND:NAME) with a kind of V(droplet), V(database_cluster),
        V(domain), V(spaces_bucket), V(load_balancer), V(volume) or V(reserved_ip) (the name of its droplet).
      - Others are left in it, because a resource leaves a project only by moving to another one.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Group what belongs to staging
  flowdose.infra.project:
    name: flowdose-staging
    purpose: Web Application
    environment: Staging
    resources:
      - droplet:backend-staging
      - database_cluster:postgres-staging
"""

RETURN = r"""
project:
  description: The project; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its UUID.
      returned: always
      type: str
      sample: 9cc10173-e9ea-4176-9dbc-a4cee4c4ff30
    name:
      description: Its name.
      returned: always
      type: str
    description:
      description: Free text.
      returned: always
      type: str
    purpose:
      description: What it is for.
      returned: always
      type: str
    environment:
      description: V(Development), V(Staging), V(Production) or none.
      returned: always
      type: str
    is_default:
      description: Whether new resources land in it.
      returned: always
      type: bool
    resources:
      description: Those of O(resources) that are in it.
      returned: when O(resources) is given
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.project import Project


def main() -> None:
    run(Project)


if __name__ == "__main__":
    main()
