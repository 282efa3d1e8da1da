"""Pictures that stand inside an HTML page: images as PNG in data URIs, windows and loss curves as SVG."""

from __future__ import annotations

import base64
import csv
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from torch import Tensor

from udd.errors import UserError

COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00")  # seaborn's for the colour-blind
SHOWN_SIDE = 64  # pixels on the screen that a smaller image is enlarged to
POINTS = 200  # a curve is averaged over as many spans
DECADE = 10  # a loss that varies by more is drawn on a logarithmic scale
WIDE, HIGH = 640, 220  # of a curve
Curve = dict[str, np.ndarray]  # the iterations, and the losses by their names


def hard(labels: Tensor) -> Tensor:
    """Labels [n], the likeliest of soft ones [n, C]."""
    return labels.argmax(1) if labels.ndim > 1 else labels


def data_uri(pixels: np.ndarray) -> str:
    """Bytes [H, W, 3] as a PNG in a data URI."""
    from PIL import Image

    kept = BytesIO()
    Image.fromarray(pixels).save(kept, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(kept.getvalue()).decode()}"


def as_bytes(image: Tensor) -> np.ndarray:
    """An image [K, H, W] in [0, 1] as bytes [H, W, 3]."""
    shown = (image.detach().cpu().nan_to_num().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown


def strip(images: Sequence[Tensor], gap: int = 1) -> tuple[np.ndarray, int]:
    """Images [K, H, W] beside each other on white, as bytes, and the whole number by which to enlarge them."""
    _, high, side = images[0].shape
    sheet = np.full((high, len(images) * (side + gap) - gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        sheet[:, number * (side + gap) :][:, :side] = as_bytes(image)
    return sheet, max(1, round(SHOWN_SIDE / side))


def img(images: Sequence[Tensor], alt: str) -> str:
    """Images beside each other as an <img>; `alt` is HTML already."""
    sheet, zoom = strip(images)
    high, wide = (zoom * side for side in sheet.shape[:2])
    return f'<img src="{data_uri(sheet)}" width="{wide}" height="{high}" alt="{alt}">'


def inset(boxes: Sequence[Sequence[int]], sizes: Sequence[int], side: int) -> list[str]:
    """Windows as <rect>s, a colour a size, slightly staggered so that those that share an edge can be told apart."""
    drawn = []
    for top, left, high, wide in boxes:
        number = sizes.index(high)
        off = side * (0.008 + 0.014 * number)
        place = f'x="{left + off:.3f}" y="{top + off:.3f}" width="{wide - 2 * off:.3f}" height="{high - 2 * off:.3f}"'
        drawn.append(
            f'<rect {place} fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="{side / 110:.3f}"/>'
        )
    return drawn


def windows_svg(image: Tensor, windows: Tensor) -> str:
    """An image [K, H, W] with candidate windows [N, 4] on it."""
    side, boxes = image.shape[-1], windows.tolist()
    sizes = sorted({high for _, _, high, _ in boxes})
    head = (
        f'<svg viewBox="0 0 {side} {side}" width="256" height="256" role="img" '
        'aria-label="candidate windows on one image">'
    )
    return "".join(
        [
            head,
            f'<image href="{data_uri(as_bytes(image))}" width="{side}" height="{side}"/>',
            *inset(boxes, sizes, side),
            "</svg>",
        ]
    )


def sizes_key(windows: Tensor) -> list[tuple[str, str]]:
    """The colour of each size of window, and what it says."""
    highs = windows[:, 2].tolist()
    return [
        (COLOURS[n % len(COLOURS)], f"{highs.count(size)} of {size} pixels")
        for n, size in enumerate(sorted(set(highs)))
    ]


def read_curve(path: Path) -> Curve:
    """The iterations and losses of a curve (CSV). Raises UserError if the file is missing, or has
    no such columns or rows."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        columns = list(rows[0]) if rows else []
        names = ["iteration", *(name for name in columns if str(name).startswith("loss"))]
        if "iteration" not in columns or len(names) == 1:
            found = f"the columns {', '.join(map(str, columns))}" if columns else "no rows"
            raise UserError(
                f"{path}: found {found}, expected iteration, loss, ... and numbers below, as udd distill writes them"
            )
        return {name: np.array([float(row[name]) for row in rows]) for name in names}
    except FileNotFoundError:
        raise UserError(f"{path}: no such curve; udd distill writes one beside a set, as .csv") from None
    except (ValueError, TypeError, OSError, csv.Error) as error:
        raise UserError(f"{path}: not a curve ({error}); expected the CSV that udd distill writes") from None


def losses(curve: Curve) -> dict[str, np.ndarray]:
    """The losses of a curve that there are: those of zeros are not used."""
    return {name: values for name, values in curve.items() if name != "iteration" and np.any(np.nan_to_num(values))}


def averaged(values: np.ndarray) -> np.ndarray:
    """Means over at most POINTS spans of (nearly) equal length. [rows] -> [spans]."""
    return np.array([span.mean() for span in np.array_split(values, min(POINTS, len(values)))])


def bounds(values: Sequence[np.ndarray]) -> tuple[float, float, bool]:
    """The least and the greatest of some values, never the same, and whether a logarithmic scale suits them."""
    every = np.concatenate(values)
    low, high = float(every.min()), float(every.max())
    return low, high if high > low else low + 1, low > 0 and high / low > DECADE


def curve_svg(curve: Curve) -> str:
    """The losses over the iterations, a colour each."""
    whole = np.isfinite(np.stack(list(curve.values()))).all(0)
    x = averaged(curve["iteration"][whole]) if whole.any() else np.zeros(0)
    found = [averaged(values[whole]) for values in losses(curve).values()] if len(x) else []
    if not found:
        return "<p>No finite losses.</p>"
    low, high, wide = bounds(found)
    scale = np.log if wide else np.asarray
    across = (x - x[0]) / max(x[-1] - x[0], 1e-9) * WIDE
    lines = []
    for number, values in enumerate(found):
        down = HIGH - (scale(values) - scale(low)) / (scale(high) - scale(low)) * HIGH
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2"/>'
        )
    return framed(lines, (x[0], x[-1]), (low, high), wide)


def framed(lines: Sequence[str], across: tuple[float, float], up: tuple[float, float], wide: bool) -> str:
    """Lines with a frame, and the least and greatest values at it."""
    texts = [(-6, HIGH, "end", f"{up[0]:.3g}"), (-6, 12, "end", f"{up[1]:.3g}")]
    texts += [(0, HIGH + 18, "start", f"iteration {across[0]:.0f}"), (WIDE, HIGH + 18, "end", f"{across[1]:.0f}")]
    said = [f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in texts]
    said += [f'<text x="{WIDE / 2}" y="{HIGH + 18}" text-anchor="middle">logarithmic scale</text>'] if wide else []
    frame = f'<path d="M0 0V{HIGH}H{WIDE}" fill="none" stroke="#999"/>'
    head = (
        f'<svg class="curve" viewBox="-70 -6 {WIDE + 80} {HIGH + 32}" role="img" '
        'aria-label="losses over the iterations">'
    )
    return "".join([head, frame, *lines, *said, "</svg>"])
