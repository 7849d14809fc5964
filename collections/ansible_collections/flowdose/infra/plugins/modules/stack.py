#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack
short_description: A whole environment in one task
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Makes all resources of an environment as declared, those that do not depend on each other at the same time.
  - Resources refer to each other by name, so that the order follows from the data.
  - Wrong data, unknown regions, sizes and images, and names that do not exist are refused before anything is changed.
  - Prints the plan before it changes something, unless O(expect_plan) says that it was seen; and what it waits for.
  - Droplets, database clusters and volumes get the tag C(flowdose-ENVIRONMENT). Those that carry it and are not
    declared are reported as V(unmanaged), and left alone.
  - It is an action plugin and runs on the controller, whatever the host; variables of a task's C(environment)
    keyword do not reach it.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.spaces
options:
  environment:
    description: Name of the environment, such as V(staging).
    type: str
    required: true
  state:
    description:
      - V(present) makes what is declared so.
      - V(adopted) looks for what is declared in what is there already, and gives it the environment's tag, no more.
      - V(absent) deletes all that is declared, except what other environments share.
    type: str
    choices: [present, adopted, absent]
    default: present
  confirm:
    description: For O(state=absent), the name of the environment once more.
    type: str
  adopt:
    description:
      - Which existing resources are what is declared, where their names differ; keys are V(KIND:NAME) as declared, such
        as V(droplet:backend-staging), values the name or id that the resource has there.
      - With O(state=present) such a resource is renamed where the API can do that (droplets, VPCs, firewalls, load
        balancers, projects, SSH keys), and otherwise refused, saying what to put into the data.
    type: dict
    default: {}
  prune:
    description:
      - Also delete what carries the environment's tag and is not declared, after a list of it.
      - Never what holds data.
    type: bool
    default: false
  unprotected:
    description:
      - Resources that hold data and may be deleted all the same, each as V(KIND:NAME), such as
        V(database_cluster:postgres-staging).
    type: list
    elements: str
    default: []
  empty_buckets:
    description:
      - For O(state=absent), also delete what is in the buckets that go. Otherwise one that is not empty is refused.
    type: bool
    default: false
  plan_dir:
    description:
      - Folder for the plan in files, also in check mode; it is created when it is missing.
      - C(plan.json) for programs, C(plan.md) for a pull request, C(topology.mmd) and C(topology.svg) for a picture.
    type: path
  expect_plan:
    description:
      - Hash of the plan that was approved.
      - When what is declared, or what is there, has changed since, so that the plan is another one, nothing is changed.
    type: str
  applied_file:
    description:
      - File that remembers, as keyed digests, what was declared at the last run, so that a plan can say whether a
        difference is a change of the data or a drift of the resource.
      - It holds no value and no secret. Without it a plan says V(not known).
    type: path
  timeout:
    description: Seconds to wait for each resource.
    type: int
    default: 1800
  tags:
    description: Tags, each with the options of M(flowdose.infra.tag).
    type: list
    elements: dict
    default: []
  ssh_keys:
    description: SSH keys, each with the options of M(flowdose.infra.ssh_key).
    type: list
    elements: dict
    default: []
  vpcs:
    description: VPCs, each with the options of M(flowdose.infra.vpc).
    type: list
    elements: dict
    default: []
  droplets:
    description: Droplets, each with the options of M(flowdose.infra.droplet).
    type: list
    elements: dict
    default: []
  volumes:
    description: Volumes, each with the options of M(flowdose.infra.volume).
    type: list
    elements: dict
    default: []
  reserved_ips:
    description: Reserved IPs, each with the options of M(flowdose.infra.reserved_ip).
    type: list
    elements: dict
    default: []
  firewalls:
    description: Firewalls, each with the options of M(flowdose.infra.firewall).
    type: list
    elements: dict
    default: []
  database_clusters:
    description: Database clusters, each with the options of M(flowdose.infra.database_cluster).
    type: list
    elements: dict
    default: []
  databases:
    description: Databases of PostgreSQL clusters, each with the options of M(flowdose.infra.database).
    type: list
    elements: dict
    default: []
  database_users:
    description: Users of PostgreSQL clusters, each with the options of M(flowdose.infra.database_user).
    type: list
    elements: dict
    default: []
  connection_pools:
    description: Connection pools of PostgreSQL clusters, each with the options of M(flowdose.infra.connection_pool).
    type: list
    elements: dict
    default: []
  spaces_buckets:
    description: Buckets, each with the options of M(flowdose.infra.spaces_bucket).
    type: list
    elements: dict
    default: []
  spaces_keys:
    description: Access keys of Spaces, each with the options of M(flowdose.infra.spaces_key).
    type: list
    elements: dict
    default: []
  domains:
    description: Domains, each with the options of M(flowdose.infra.domain).
    type: list
    elements: dict
    default: []
  certificates:
    description: Certificates, each with the options of M(flowdose.infra.certificate).
    type: list
    elements: dict
    default: []
  load_balancers:
    description: Load balancers, each with the options of M(flowdose.infra.load_balancer).
    type: list
    elements: dict
    default: []
  domain_records:
    description: Records, each with the options of M(flowdose.infra.domain_record).
    type: list
    elements: dict
    default: []
  alert_policies:
    description: Alerts about metrics, each with the options of M(flowdose.infra.alert_policy).
    type: list
    elements: dict
    default: []
  uptime_checks:
    description: Checks from outside, each with the options of M(flowdose.infra.uptime_check).
    type: list
    elements: dict
    default: []
  projects:
    description: Projects, each with the options of M(flowdose.infra.project).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: A backend with its database, and a name for it
  flowdose.infra.stack:
    environment: staging
    ssh_keys:
      - name: flowdose-staging
        public_key: "{{ lookup('ansible.builtin.file', '.flowdose/staging/id_ed25519.pub') }}"
    vpcs:
      - {name: flowdose-staging, region: fra1, ip_range: 10.20.0.0/20}
    droplets:
      - name: backend-staging
        region: fra1
        size: s-2vcpu-4gb
        image: debian-13-x64
        vpc: flowdose-staging
        ssh_keys: [flowdose-staging]
        tags: [backend]
    database_clusters:
      - name: postgres-staging
        engine: pg
        version: "15"
        size: db-s-1vcpu-2gb
        region: fra1
        vpc: flowdose-staging
        databases: [flowdose_staging]
        trusted_sources:
          - {type: tag, value: backend}
    domains:
      - {name: example.com}
    domain_records:
      - {domain: example.com, type: A, name: api-staging, droplet: backend-staging}
"""

RETURN = r"""
plan:
  description: What changed, or in check mode would change.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the resource, the name of its module.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
    action:
      description: V(create), V(update), V(delete), V(none), V(unmanaged) or V(keep).
      returned: always
      type: str
    impact:
      description: What that does to what runs; V(none), V(restart), V(power-off) or V(irreversible).
      returned: always
      type: str
    changes:
      description: Each with C(key), C(before) and C(after).
      returned: always
      type: list
      elements: dict
    why:
      description:
        - V(new), V(configuration changed), V(drift), or V(not known) without O(applied_file); a sentence where it is
          another reason.
      returned: always
      type: str
plan_hash:
  description: Over all that is declared and all that is there, for O(expect_plan).
  returned: success
  type: str
  sample: 4f0c3a1e9b7d4c2f8a6e5d4c3b2a1908
resources:
  description: The resources by kind and name, in the form that the modules return; in check mode as they would be.
  returned: success
  type: dict
  sample:
    droplet:
      backend-staging: {id: 3164444, public_ipv4: 203.0.113.7}
failures:
  description: What failed, each with its C(place) in the data, C(attempted), C(status), C(id), C(message),
    C(request_id), C(hint).
  returned: failure
  type: list
  elements: dict
skipped:
  description: Places in the data of what was not tried because what it needs failed.
  returned: failure
  type: list
  elements: str
"""
