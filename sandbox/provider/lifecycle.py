"""What is the same for every declared type: check, difference, create, read, update and delete of one resource."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.provider.errors import Gone, Incomplete, Refused
from sandbox.provider.resource import TYPES, Resource, Surroundings, observe
from sandbox.provider.schema import EMPTY, Difference, InvalidInput, Property, unmet
from sandbox.provider.wire import UNKNOWN, is_unknown
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    Values = Mapping[str, Any]

NOTHING = (*EMPTY, "")
"""What outputs leave out: some of the cloud's answers have it, others do not."""
DEFAULTS = "__defaults"
"""The engine's own mark in inputs: the names of those that were made up here, not given by the program."""


def declared(resource_type: str) -> type[Resource]:
    """The type of a name. Raises Problem when it is not declared."""
    if resource_type not in TYPES:
        raise Problem("the sandbox's provider does not declare this resource type")
    return TYPES[resource_type]


def check(
    kind: type[Resource], name: str, news: Values, *, olds: Values, seed: bytes, surroundings: Surroundings
) -> tuple[dict[str, Any], list[str]]:
    """The inputs, typed and completed (name, region, tagsAll), and what is wrong with them, a line each."""
    given = {key: value for key, value in news.items() if not key.startswith("__")}
    found = list(unmet(kind.properties, given))
    inputs: dict[str, Any] = {}
    for key, value in given.items():
        if key in kind.properties:
            try:
                inputs[key] = kind.properties[key].coerce(value, key)
            except InvalidInput as error:
                found.append(error)
    if kind.auto_name and inputs.get(kind.auto_name) is None:
        inputs[kind.auto_name] = _made_up(kind, name, olds, seed)
        inputs[DEFAULTS] = [kind.auto_name]
    if "region" in kind.properties:
        inputs.setdefault("region", surroundings.region)
    if kind.taggable:
        inputs["tagsAll"] = _all_tags(surroundings.default_tags, inputs.get("tags") or {})
    return inputs, [str(each) for each in found]


def _made_up(kind: type[Resource], name: str, olds: Values, seed: bytes) -> str:
    """A name as the official provider makes it: the program's name and seven hexadecimal digits, kept from then on."""
    if kind.auto_name in olds.get(DEFAULTS, ()):
        return str(olds[kind.auto_name])
    return f"{name}-{hashlib.sha256(seed or name.encode()).hexdigest()[:7]}"


def _all_tags(defaults: Mapping[str, str], tags: Any) -> Any:
    return tags if is_unknown(tags) else {**defaults, **tags}


@dataclass(frozen=True)
class Change:
    """What an update would change, and whether it takes a new resource."""

    differences: tuple[Difference, ...]
    delete_first: bool

    @property
    def names(self) -> list[str]:
        """The changed inputs."""
        return list(dict.fromkeys(_root(each.path) for each in self.differences))

    @property
    def replaced(self) -> list[str]:
        """The changed inputs that take a new resource."""
        return list(dict.fromkeys(_root(each.path) for each in self.differences if each.replaces))


def change(kind: type[Resource], olds: Values, news: Values) -> Change:
    """The differences of two sets of inputs."""
    found = tuple(
        difference
        for name, each in kind.properties.items()
        for difference in each.differences(name, olds.get(name), news.get(name))
        if not (each.computed and news.get(name) is None)  # no longer given: the cloud keeps what it has
    )
    changed = {_root(each.path) for each in found}
    made_up = kind.auto_name in news.get(DEFAULTS, ())  # the replacement gets another name
    return Change(found, bool(kind.identity) and not made_up and changed.isdisjoint(kind.identity))


def _root(path: str) -> str:
    return path.split(".", 1)[0].split("[", 1)[0]


def foresee_create(kind: type[Resource], inputs: Values) -> dict[str, Any]:
    """The outputs of a create as far as they can be known before."""
    outputs: dict[str, Any] = dict.fromkeys(kind.outputs, UNKNOWN)
    for name, each in kind.properties.items():
        outputs[name] = UNKNOWN if each.computed else _default(each)
    return _known(outputs, inputs)


def foresee_update(kind: type[Resource], state: Values, olds: Values, news: Values) -> dict[str, Any]:
    """The outputs of an update as far as they can be known before."""
    changed = set(change(kind, olds, news).names)
    outputs = dict(state)
    for name in changed:
        outputs[name] = _default(kind.properties[name])
    for name, inputs in kind.renewed.items():
        if changed.intersection(inputs):
            outputs[name] = UNKNOWN
    return _known(outputs, news)


def create(resource: Resource) -> dict[str, Any]:
    """Make it, and return its outputs; `resource.id` is set. Raises Incomplete when it exists but is unfinished."""
    try:
        resource.id = resource.create()
        resource.new = True
    except Refused as error:
        if error.code not in resource.exists:
            raise
        return _adopt(resource, error)
    try:
        for names, after_create, method in resource.settings:
            if after_create and any(
                not resource.properties[name].same(None, resource.inputs.get(name)) for name in names
            ):
                getattr(resource, method)()
        told = resource.told()
        return _outputs(resource) if told is None else _merged(resource, resource.inputs, told)
    except Problem as problem:
        raise Incomplete(resource.id, _known({}, resource.inputs), str(problem)) from problem


def _adopt(resource: Resource, taken: Refused) -> dict[str, Any]:
    """Take over what is in the resource's place, if it is what a run that was killed left there.

    A repeated request that was already answered, and a create that the engine did not live to record, both end here.
    """
    found = resource.find()
    there = type(resource)(resource.surroundings, resource.inputs, id=found or "")
    has = observe(there) if found else None
    if has is None:
        raise taken
    previous = restore(there, {}, has)
    ours = all(has.get("tagsAll", {}).get(key) == value for key, value in resource.tags.items())
    foreign = change(type(resource), previous, resource.inputs).replaced
    if not ours or foreign:
        why = f"differs in {', '.join(foreign)}" if foreign else "has not its tags"
        raise Problem(f"{taken} What is there {why}: delete it, or import it with the id {found}") from taken
    resource.id, resource.previous = there.id, previous
    return update(resource)


def update(resource: Resource) -> dict[str, Any]:
    """Bring the changed inputs to the cloud, and return the outputs.

    Without a change the engine goes on with what a create left unfinished: then what the cloud has is what was before.
    """
    changed = set(change(type(resource), resource.previous, resource.inputs).names)
    if not changed:
        resource.previous = restore(resource, resource.inputs, observe(resource) or {})
        changed = set(change(type(resource), resource.previous, resource.inputs).names)
    for names, _, method in resource.settings:
        if changed.intersection(names):
            getattr(resource, method)()
    if "tagsAll" in changed:
        before: Mapping[str, str] = resource.previous.get("tagsAll") or {}
        tags = resource.tags
        removed = sorted(before.keys() - tags.keys())
        if removed:
            resource.untag(removed)
        added = {key: value for key, value in tags.items() if before.get(key) != value}
        if added:
            resource.tag(added)
    return _outputs(resource)


def read(resource: Resource) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The inputs and outputs as the cloud has them, or None when it is gone."""
    has = observe(resource)
    if has is None:
        return None
    inputs = restore(resource, resource.inputs, has)
    return inputs, _merged(resource, inputs, has)


def restore(resource: Resource, declared_inputs: Values, has: Values) -> dict[str, Any]:
    """The inputs that would have made what the cloud has; where it makes no difference, as they were declared."""
    inputs = {key: value for key, value in declared_inputs.items() if key.startswith("__")}
    for name, each in resource.properties.items():
        old, now = declared_inputs.get(name), has.get(name)
        if name == "region":
            now = resource.region
        elif name == "tags":
            now = _own_tags(resource.surroundings.default_tags, has.get("tagsAll") or {}, old or {})
        elif each.carried:
            now = old if now is None else now
        if each.same(old, now) or (each.computed and old is None and declared_inputs):
            now = old
        elif each.same(None, now):
            now = None
        if now is not None:
            inputs[name] = now
    return inputs


def _own_tags(defaults: Mapping[str, str], tags: Mapping[str, str], declared_tags: Values) -> dict[str, str]:
    return {
        key: value
        for key, value in tags.items()
        if key in declared_tags or key not in defaults or defaults[key] != value
    }


def delete(resource: Resource) -> None:
    """Remove it; gone is fine."""
    try:
        resource.delete()
    except Refused as error:
        if error.code not in resource.gone:
            raise
    except Gone:
        return


def _outputs(resource: Resource) -> dict[str, Any]:
    has = observe(resource)
    if has is None:
        raise Problem(f"{resource.id} is not there right after it was made")
    return _merged(resource, resource.inputs, has)


def _merged(resource: Resource, inputs: Values, has: Values) -> dict[str, Any]:
    """The outputs: what the cloud has, written as it was declared where that means the same."""
    outputs = dict(has)
    for name, each in resource.properties.items():
        value = _default(each) if each.carried and inputs.get(name) is None else inputs.get(name)
        if value is not None and (each.carried or each.same(value, has.get(name)) or has.get(name) is None):
            outputs[name] = value
        elif has.get(name) in NOTHING:
            outputs[name] = _default(each)
    return {name: value for name, value in outputs.items() if value is not None}


def _default(each: Property) -> Any:
    """What an absent input shows as an output: nothing when it is empty."""
    return None if each.default in NOTHING else each.default


def _known(outputs: dict[str, Any], inputs: Values) -> dict[str, Any]:
    given = {key: value for key, value in inputs.items() if not key.startswith("__") and value is not None}
    return {key: value for key, value in {**outputs, **given}.items() if value is not None}
