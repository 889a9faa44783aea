"""Brings a template and an endpoint to what was chosen: shows what changes and what it costs, asks, then writes."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from client.deployment import (
    Body,
    EndpointChoices,
    endpoint_changes,
    losses,
    new_endpoint,
    new_template,
    require_sense,
    shown_differences,
    template_changes,
    without_secrets,
)
from client.gpu_catalog import GpuPools, usd_per_hour
from client.rest_api import RestApi

_HOURS_A_DAY = 24


class LossRefused(Exception):
    """Something would be taken away, and the person did not agree. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class _Change:
    kind: str
    known: Body
    body: Body
    """of the PATCH; empty when there is nothing to change"""


@dataclass(frozen=True, slots=True)
class Rollout:
    """*say* takes lines for the person; *agreed* asks before something is taken away. A *dry_run* writes nothing.

    Methods raise ChoiceRefused and LossRefused before anything is written, ApiRefused and ApiUnavailable.
    """

    api: RestApi
    pools: GpuPools
    say: Callable[[str], None]
    agreed: Callable[[], bool]
    dry_run: bool
    shipped: Callable[[str, str], None]
    """called with the image and the endpoint's id when its workers get another image than before"""

    def create(self, name: str, chosen: EndpointChoices, template: Body | None) -> None:
        """A new endpoint. *template* is the one of that name which exists already."""
        endpoint, wanted = new_endpoint(name, chosen), new_template(name, chosen)
        require_sense(chosen, endpoint)
        self._say_costs(endpoint)
        if template is not None:
            (template,) = self._changed(_Change("templates", template, template_changes(chosen, template)))
        elif not self._told("templates", wanted):
            template = self._created("templates", wanted)
        if not self._told("serverless", endpoint):
            made = self._created("serverless", endpoint)
            self.shipped(endpoint["image"], str(made.get("id")))
            self._say_ids(template, made)

    def update(self, chosen: EndpointChoices, template: Body | None, endpoint: Body) -> None:
        """What *chosen* names, of an endpoint that exists; a template that is missing is not needed any more."""
        changes = endpoint_changes(chosen, endpoint, self.pools)
        after = {**endpoint, **changes}
        require_sense(chosen, after)
        self._say_costs(after)
        more = [_Change("templates", template, template_changes(chosen, template))] if template is not None else []
        changed, *rest = self._changed(_Change("serverless", endpoint, changes), *more)
        if not self.dry_run:
            if "image" in changes:
                self.shipped(changes["image"], str(changed.get("id")))
            self._say_ids(rest[0] if rest else None, changed)

    def _changed(self, *changes: _Change) -> list[Body]:
        """The items after *changes*, which are all shown first and, where they take something away, agreed to."""
        lost = [sentence for change in changes for sentence in self._shown(change)]
        if self.dry_run:
            return [change.known for change in changes]
        if lost and not self.agreed():
            raise LossRefused("nothing was changed; to take it away, answer y or give --yes")
        return [
            self.api.change(change.kind, change.known["id"], change.body) if change.body else change.known
            for change in changes
        ]

    def _shown(self, change: _Change) -> list[str]:
        """The losses of a change, after it was shown."""
        label = f"{change.kind} {change.known['name']} ({change.known['id']})"
        if not change.body:
            self.say(f"{label}: is as it should be")
            return []
        self.say(f"{label}: {'would change' if self.dry_run else 'changes'}")
        for line in shown_differences(change.known, change.body):
            self.say(f"  {line}")
        lost = losses(change.known, change.body)
        for sentence in lost:
            self.say(f"  TAKES AWAY: {sentence}")
        return lost

    def _told(self, kind: str, body: Body) -> bool:
        """Show the request that a dry run does not send; False when this is not one."""
        if self.dry_run:
            self.say(f"POST {self.api.base}/{kind}")
            self.say(json.dumps(without_secrets(body), indent=2))
        return self.dry_run

    def _created(self, kind: str, body: Body) -> Body:
        made = self.api.create(kind, body)
        self.say(f"{kind} {body['name']} ({made.get('id')}): created")
        return made

    def _say_ids(self, template: Body | None, endpoint: Body) -> None:
        if template is not None:
            self.say(f"template {template.get('id')}")
        self.say(f"RUNPOD_ENDPOINT_ID={endpoint.get('id')}")

    def _say_costs(self, endpoint: Body) -> None:
        gpu, workers = endpoint.get("gpu") or {}, endpoint.get("workers") or {}
        chosen = [self.pools[name] for name in gpu.get("pools") or () if name in self.pools]
        for pool in chosen:
            self.say(f"GPU {pool}")
            places = endpoint.get("dataCenterIds") or ()
            if places and pool.datacenters and not pool.datacenters & set(places):
                self.say(f"  RunPod does not have it in {', '.join(places)} now: workers cannot start there")
        price, always = usd_per_hour([pool.id for pool in chosen], self.pools), workers.get("min") or 0
        if price is not None and always:
            a_day = price * (gpu.get("count") or 1) * always * _HOURS_A_DAY
            self.say(f"{always} of the workers always run: ${a_day:.2f} a day, with or without jobs")
