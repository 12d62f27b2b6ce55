"""A word of one's own for blueprints: `{block: bowtie, width: 32, narrow: 8}`."""


def bowtie(width, narrow=4, kernel=3):
    """Squeeze to width / narrow channels, convolve there, and widen again."""
    return [
        {"block": "plain", "width": max(1, width // narrow), "kernel": 1, "norm": {"kind": "batch"}},
        {"block": "plain", "width": max(1, width // narrow), "kernel": kernel, "norm": {"kind": "batch"}},
        {"block": "plain", "width": width, "kernel": 1, "norm": {"kind": "batch"}},
    ]
