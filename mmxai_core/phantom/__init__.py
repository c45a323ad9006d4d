"""Synthetic B-mode breast ultrasound: phantoms for demonstration and tests, marked as synthetic throughout.

No phantom holds any patient's pixels; grey levels and grain were set by hand to lie where real frames have them, so a
score on phantoms shows that the software works and says nothing about accuracy on patients. The physics is the
textbook's: speckle as the coherent sum of many sub-resolution scatterers seen through a separable point-spread
function, envelope detection, and logarithmic compression. The classes overlap on purpose: some benign phantoms are
irregular, some malignant ones oval.
"""

from mmxai_core.phantom.build import Phantom, make_phantom, make_phantoms
from mmxai_core.phantom.cases import draw_clinical, draw_spec
from mmxai_core.phantom.dicom_object import phantom_dataset, phantom_dicom
from mmxai_core.phantom.samples import SAMPLES, Sample, write_samples
from mmxai_core.phantom.spec import PhantomSpec

__all__ = [
    "SAMPLES",
    "Phantom",
    "PhantomSpec",
    "Sample",
    "draw_clinical",
    "draw_spec",
    "make_phantom",
    "make_phantoms",
    "phantom_dataset",
    "phantom_dicom",
    "write_samples",
]
