"""The `instant` recipe: one photograph becomes an avatar in seconds, without learned weights."""

from trainer.recipes.instant.recipe import make, make_photo, photo_view

__all__ = ["make", "make_photo", "photo_view"]
