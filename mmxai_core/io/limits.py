"""How much of this machine one upload may use, and the running total that holds a file to it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mmxai_core.errors import StudyReadError

MIB = 1024 * 1024

#: Below this many inflated bytes no compression ratio is suspicious: an empty frame deflates 1000 to 1.
RATIO_FLOOR_BYTES = 64 * MIB


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """Limits of one read. A file that breaks one is refused before the memory for it is asked for.

    Attributes:
        upload_bytes: Bytes uploaded, all files together.
        inflated_bytes: Bytes after inflating a zip, a gzip or a deflated DICOM object, all together.
        zip_ratio: Inflated to compressed bytes, looked at above 64 MiB inflated.
        zip_entries: Entries in a zip, or loose files uploaded together.
        image_pixels: Rows x columns of one image.
        total_values: Pixel values of the whole study; a colour pixel counts as three.
        frames: Images (frames, slices, views, pages) of the study.
        nesting: DICOM sequences inside sequences.
        seconds: Wall-clock time of the read.
        memory_bytes: Address space the reader may take beyond its loaded libraries.
    """

    upload_bytes: int = 256 * MIB
    inflated_bytes: int = 512 * MIB
    zip_ratio: float = 200.0
    zip_entries: int = 4096
    image_pixels: int = 40_000_000
    total_values: int = 2**27
    frames: int = 1024
    nesting: int = 16
    seconds: float = 60.0
    memory_bytes: int = 1024 * MIB

    def __post_init__(self) -> None:
        """Check that every limit is positive.

        Raises:
            ValueError: A limit is zero or less.
        """
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"ReadLimits.{field.name} must be positive; it is {getattr(self, field.name)}.")


class Budget:
    """What a read has used so far, checked before each allocation."""

    def __init__(self, limits: ReadLimits) -> None:
        """Start at zero.

        Args:
            limits: The limits to hold.
        """
        self.limits = limits
        self._values = 0
        self._frames = 0
        self._inflated = 0

    def check_size(self, rows: int, columns: int) -> None:
        """Check the size of one image without reserving room for it.

        Args:
            rows: Rows, pixels.
            columns: Columns, pixels.

        Raises:
            StudyReadError: No pixels, or more than one image may have.
        """
        if rows < 1 or columns < 1:
            raise StudyReadError(f"An image needs at least 1 x 1 pixels; the header says {rows} x {columns}.")
        if rows * columns > self.limits.image_pixels:
            raise StudyReadError(
                f"The header says {rows} x {columns} pixels; the limit is {self.limits.image_pixels:,} pixels an image."
            )

    def take_images(self, rows: int, columns: int, *, samples: int = 1, frames: int = 1) -> None:
        """Reserve room for images whose size the header states.

        Args:
            rows: Rows of each image, pixels.
            columns: Columns of each image, pixels.
            samples: Values a pixel (1 grey, 3 colour).
            frames: How many such images.

        Raises:
            StudyReadError: No pixels, or a limit on pixels, values or frames is passed.
        """
        limits = self.limits
        self.check_size(rows, columns)
        if frames < 1:
            raise StudyReadError(f"A study needs at least one image; the header says {frames} frames.")
        self._frames += frames
        if self._frames > limits.frames:
            raise StudyReadError(f"The study has at least {self._frames:,} images; the limit is {limits.frames:,}.")
        self._values += rows * columns * samples * frames
        if self._values > limits.total_values:
            raise StudyReadError(
                f"The study has at least {self._values:,} pixel values; the limit is {limits.total_values:,}."
            )

    def take_inflated(self, inflated: int, compressed: int) -> None:
        """Reserve room for bytes that a compressed part claims, or was seen, to inflate to.

        Args:
            inflated: Bytes after inflating.
            compressed: Bytes before.

        Raises:
            StudyReadError: The total, or the ratio above 64 MiB, passes its limit.
        """
        self._inflated += inflated
        if self._inflated > self.limits.inflated_bytes:
            raise StudyReadError(
                f"The file inflates to more than {self.limits.inflated_bytes // MIB:,} MiB, the limit."
            )
        if self._inflated > RATIO_FLOOR_BYTES and inflated > self.limits.zip_ratio * max(compressed, 1):
            raise StudyReadError(
                f"The file inflates more than {self.limits.zip_ratio:g} to 1, the limit: it may be a zip bomb."
            )

    @property
    def inflated_left(self) -> int:
        """Bytes that may still be inflated."""
        return self.limits.inflated_bytes - self._inflated
