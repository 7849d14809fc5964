#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: droplet
short_description: Virtual machines
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a droplet and waits until it is active, changes what can be changed in place, or deletes it.
  - A droplet is known by its name. Two droplets of that name are an error.
  - A droplet is never replaced by a difference. What cannot be changed (region, image, VPC, monitoring) is an error
    that says what to do.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the droplet, a host name.
    type: str
    required: true
  region:
    description: Slug of the region. Required when it does not exist yet.
    type: str
  size:
    description:
      - Slug of the size. Required when it does not exist yet.
      - A difference shuts the droplet down, resizes it, and starts it again, which takes some minutes. A run that was
        interrupted meanwhile is finished by the next one.
    type: str
  image:
    description: Slug of the image, or the id of an image of your own. Required when it does not exist yet.
    type: str
  vpc:
    description: Name of the VPC; the default one of the region when not given.
    type: str
  ssh_keys:
    description: Names of the SSH keys that C(root) accepts. Used when it is created, and not compared later.
    type: list
    elements: str
  tags:
    description: All tags it shall have. Other tags are taken off.
    type: list
    elements: str
  monitoring:
    description: Whether the metrics agent is installed. Cannot be changed.
    type: bool
  backups:
    description: Whether DigitalOcean makes backups.
    type: bool
  backup_policy:
    description: When backups are made. What is not named in it is left as it is. Implies O(backups=true).
    type: dict
    suboptions:
      plan:
        description: How often.
        type: str
        required: true
        choices: [daily, weekly]
      weekday:
        description: On which day, with V(weekly).
        type: str
        choices: [SUN, MON, TUE, WED, THU, FRI, SAT]
      hour:
        description: In which hour (UTC) the window of four hours starts.
        type: int
        choices: [0, 4, 8, 12, 16, 20]
  ipv6:
    description: Whether it has an IPv6 address. Can be switched on, not off.
    type: bool
  user_data:
    description: Data for cloud-init. Used when it is created, and not compared later.
    type: str
  powered:
    description: Whether it runs.
    type: bool
    default: true
  resize_disk:
    description:
      - Whether the disk grows too when O(size) changes. That cannot be undone, as a disk is never made smaller.
      - Without it, the droplet can be resized back.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A droplet for the backend
  flowdose.infra.droplet:
    name: backend-staging
    region: fra1
    size: s-2vcpu-4gb
    image: debian-13-x64
    vpc: flowdose-staging
    ssh_keys: [flowdose-staging]
    tags: [flowdose-staging, backend]
  register: created

- name: Its address
  ansible.builtin.debug:
    var: created.droplet.public_ipv4
"""

RETURN = r"""
droplet:
  description: The droplet; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its number.
      returned: always
      type: int
      sample: 512189
    name:
      description: Its name.
      returned: always
      type: str
    status:
      description: V(new), V(active), V(off) or V(archive).
      returned: always
      type: str
      sample: active
    locked:
      description: Whether an action is going on.
      returned: always
      type: bool
    powered:
      description: Whether it runs.
      returned: always
      type: bool
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    size:
      description: Slug of its size.
      returned: always
      type: str
      sample: s-2vcpu-4gb
    image:
      description: Slug or id of its image.
      returned: always
      type: str
      sample: debian-13-x64
    vpc_uuid:
      description: UUID of its VPC.
      returned: always
      type: str
    public_ipv4:
      description: Its public address.
      returned: always
      type: str
      sample: 203.0.113.7
    private_ipv4:
      description: Its address in the VPC.
      returned: always
      type: str
      sample: 10.20.0.2
    tags:
      description: Its tags.
      returned: always
      type: list
      elements: str
    monitoring:
      description: Whether the metrics agent is installed.
      returned: always
      type: bool
    backups:
      description: Whether backups are made.
      returned: always
      type: bool
    ipv6:
      description: Whether it has an IPv6 address.
      returned: always
      type: bool
    memory:
      description: Its memory in MiB.
      returned: always
      type: int
      sample: 4096
    vcpus:
      description: Its number of virtual CPUs.
      returned: always
      type: int
      sample: 2
    disk:
      description: Its disk in GB.
      returned: always
      type: int
      sample: 80
    vpc:
      description: Name of its VPC.
      returned: when O(vpc) is given
      type: str
    backup_policy:
      description: When backups are made; empty without backups.
      returned: when O(backup_policy) is given
      type: dict
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet


def main() -> None:
    run(Droplet)


if __name__ == "__main__":
    main()
