"""The fence before a region that clients have left, as an item of the payments table: `pk` fence, `sk` the region.

The payment function reads it by the same words (`lambdas/adapters/fence.py`, which imports nothing from here): a test
compares the two.
"""

from __future__ import annotations

from typing import Final

PARTITION: Final = "fence"
FROM: Final = "from"
"""From when on the region answers no new payment: milliseconds since the epoch, UTC."""
UNTIL: Final = "until"
"""Until when it does not. Where this is not said, for `HOLDS` from the beginning on."""
HOLDS: Final = 3_600_000
"""How long a fence holds (ms): who is refused for so long has followed DNS, or will not."""
