"""UDD-features: UDD's windows (Algorithm 1, line 6), matched at first order along the training of a few networks.

In place of gradients (Eq. 9), the mean embeddings of S_c^train and of real images are brought together, at any age of a
network; and the same network, of whatever age, is to classify S_c^train rightly. With cached networks the real side is
a stored vector, so a step is one forward and one backward pass of the synthetic images. Our own method: no paper's.
"""

from __future__ import annotations

from typing import Any

from udd.methods import PROXIES
from udd.methods.alignment import alignment, real_embeddings
from udd.methods.udd import finish, training_set
from udd.methods.updates import Adam as State
from udd.methods.updates import adam_step, learning_rate
from udd.methods.updates import clamped as end_network
from udd.methods.updates import with_adam as begin
from udd.objectives.features import mean_distance
from udd.proxies.meeting import Meeting, Scalars

__all__ = ["MEETS", "State", "begin", "end_network", "finish", "step"]
Config = dict[str, Any]
MEETS = PROXIES


def step(state: State, meeting: Meeting, config: Config) -> tuple[State, Scalars]:
    """One descent step on the images of all classes."""
    options, images = config["distill"], state.images.clamp(0, 1)
    pairs, among = training_set(images, meeting, config["udd"])
    means = meeting.target.features if meeting.target else real_embeddings(meeting.network, meeting).mean(1)
    shares = (1.0, config["udd_features"]["calibration"])
    found = alignment(meeting.network, images, pairs, among, [means], shares, mean_distance, meeting)
    count = meeting.outer * options["inner"] + meeting.inner + 1
    images, moments = adam_step(images, state.moments, found.gradient, learning_rate(options, meeting.outer), count)
    return State(images, moments), {
        "loss": found.distance,
        "cross_entropy": found.cross_entropy,
        "grad_norm": found.gradient.norm(),
    }
