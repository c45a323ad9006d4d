"""Errors a caller can act on. Each message gives the rule, the value seen and the tag, field or file.

No message carries a patient identifier.
"""

from __future__ import annotations


class MmxaiError(Exception):
    """Base of every error this package raises on purpose."""


class StudyReadError(MmxaiError):
    """An uploaded file cannot be read as a study, or breaks a limit."""


class ClinicalValueError(MmxaiError):
    """A clinical value is outside its field's rule, or the field is not in the schema."""


class BundleError(MmxaiError):
    """A model bundle is missing a file, was changed after it was written, or does not fit its metadata."""


class ExplanationError(MmxaiError):
    """An explanation cannot be computed for this prediction."""


class CapsuleError(MmxaiError):
    """A case capsule is damaged, was changed, or belongs to another bundle or another study."""


class CohortError(MmxaiError):
    """A cohort's files are missing, or do not have the layout the adapter expects."""


class StudyStoreError(MmxaiError):
    """Ratings cannot be written to, or read from, the store."""


class DeviceError(MmxaiError):
    """The device asked for is not there."""


class DeadlineError(MmxaiError):
    """Work did not finish before its deadline, or the queue was full."""


class CancelledError(MmxaiError):
    """The user cancelled the work."""
