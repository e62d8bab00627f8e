"""Types whose tags are not part of what creates them."""

from __future__ import annotations

from sandbox.provider.resource import Resource, setting


class TaggedLater(Resource):
    """A type that gets its tags by a call of its own, right after it was created."""

    taggable = True

    @setting("tagsAll", after_create=True)
    def tag_new(self) -> None:
        """An update adds and removes tags by itself; only what is new has none yet."""
        if not self.previous and self.tags:
            self.tag(self.tags)
