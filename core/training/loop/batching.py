"""How an epoch's images are divided: into steps, among processes, and into what is computed at once."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from core.training.loop.distributed import World


@dataclass(frozen=True, slots=True)
class EpochBatching:
    """The division of an epoch.

    Attributes:
        batch: Images that are computed at once, in all processes together.
        accumulate: Batches whose gradients make one optimizer step.
        world: The processes.
    """

    batch: int
    accumulate: int
    world: World

    @property
    def group(self) -> int:
        """Images of one optimizer step."""
        return self.batch * self.accumulate

    def images(self, all_images: int) -> int:
        """Returns how many images an epoch sees.

        A last group of one is left out, as BatchNorm finds no variance in it; so is one with fewer images than there
        are processes.
        """
        left = all_images % self.group
        return all_images - left if 0 < left < max(2, self.world.size) and left < all_images else all_images

    def steps(self, all_images: int) -> int:
        """Returns the optimizer steps of an epoch."""
        return -(-self.images(all_images) // self.group)

    def micro_batches(self, order: Tensor, parts: int) -> tuple[list[Tensor], list[int], list[int]]:
        """Divides images into what is computed at once.

        Args:
            order: The images' positions.
            parts: Into how many parts a batch is split because it did not fit into memory; 1 for whole.

        Returns:
            This process's parts; and for each the images of its step in all processes, and in this one.
        """
        found: list[Tensor] = []
        wanted, mine = [], []
        for group in order.split(self.group):
            share = self.world.share(group)
            pieces = -(-len(group) // self.batch) * parts
            if self.batch > 1 and parts == 1:
                pieces = max(1, min(pieces, len(share) // 2))  # an image alone cannot be normalised
            micro_batches = share.tensor_split(min(pieces, len(share)))
            found += micro_batches
            wanted += [len(group)] * len(micro_batches)
            mine += [len(share)] * len(micro_batches)
        return found, wanted, mine
